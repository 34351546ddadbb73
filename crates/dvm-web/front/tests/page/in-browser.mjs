// Does in a browser what a person does on the page, and looks for mistakes of accessibility.
//
//   node tests/page/in-browser.mjs [ADDRESS] [--chromium PATH] [--picture FILE] [--shots FOLDER]
//
// Without an address it starts the mock server on the built page: build first.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import { createMock } from './mock-server.mjs';

const [, , ...words] = process.argv;
const given = (name, fallback) => {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? fallback : words[at + 1];
};
const samples = resolve(import.meta.dirname, '../../../../../assets/samples');
const picture = given('picture', resolve(samples, 'chelsea.png'));
const second = resolve(samples, 'coffee.png');
const shots = given('shots', null);
const arguments_ = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
];

let address = words[0]?.startsWith('http') ? words[0] : null;
const mocks = [];
async function mock(options) {
  const made = createMock(options);
  await new Promise((ready) => { made.server.listen(0, '127.0.0.1', ready); });
  mocks.push(made);
  return { ...made, address: `http://127.0.0.1:${made.server.address().port}/` };
}
address ??= (await mock({ slow: 4 })).address;

const browser = await chromium.launch({ executablePath: given('chromium', '/usr/bin/chromium'), args: arguments_ });
const problems = [];

async function open(where, settings = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', ...settings });
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(`page: ${error.stack}`));
  page.on('console', (message) => {
    // Answers such as 401 and 429 are part of what is tested; everything else is a mistake, above all of the policy.
    if (message.type() === 'error' && !/status of (400|401|404|422|429)/.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  await page.goto(where);
  return page;
}

async function accessible(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(serious.map(({ id, nodes }) => `${what}: ${id}: ${nodes[0]?.html}`), []);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(beyond <= 0, `${what} is ${beyond} pixels wider than the window`);
}

const chooser = (page) => page.locator('input[type=file]').first();
const finished = (page) => page.getByText(/^Made in/).waitFor({ timeout: 120_000 });

async function step(name, act) {
  await act();
  process.stdout.write(`ok ${name}\n`);
}

await step('a dropped picture is explained', async () => {
  const page = await open(address);
  await page.getByRole('button', { name: 'Choose pictures' }).waitFor();
  const data = (await readFile(picture)).toString('base64');
  const transfer = await page.evaluateHandle((text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const held = new DataTransfer();
    held.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }));
    return held;
  }, data);
  await page.dispatchEvent('main', 'dragenter', { dataTransfer: transfer });
  await page.getByText('Let go to explain').waitFor();
  await page.dispatchEvent('main', 'drop', { dataTransfer: transfer });
  await page.getByText('dropped.png').first().waitFor();
  await finished(page);
  await page.context().close();
});

await step('a pasted picture is explained', async () => {
  const page = await open(address);
  await page.getByRole('button', { name: 'Choose pictures' }).waitFor();
  await page.evaluate((text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  }, (await readFile(picture)).toString('base64'));
  await page.getByText('pasted-1.png').first().waitFor();
  await finished(page);
  await page.context().close();
});

await step('a picture is taken with the camera', async () => {
  const page = await open(address);
  await page.getByRole('button', { name: 'Take a picture' }).click();
  const take = page.getByRole('button', { name: 'Take the picture' });
  await page.waitForFunction(() => !document.querySelector('.page-camera .primary').disabled);
  await accessible(page, 'camera');
  await take.click();
  await page.getByText(/camera-\d+\.png/).first().waitFor();
  await finished(page);
  await page.context().close();
});

const page = await open(address);
await step('several files are explained one after the other; maps come one by one', async () => {
  await page.getByRole('button', { name: 'Choose pictures' }).waitFor();
  await chooser(page).setInputFiles([picture, second]);
  await page.getByText('waiting').waitFor();
  await page.getByRole('button', { name: 'Watch occlusion' }).click();
  await page.locator('.viewer-large').getByRole('img', { name: 'occlusion, window by window' }).waitFor();
  await finished(page);
  await page.waitForFunction(() => document.querySelectorAll('.page-history-methods').length === 2
    && [...document.querySelectorAll('.page-history-methods')].every(({ textContent }) => /occlusion/.test(textContent)), null, { timeout: 120_000 });
  assert.match(await page.locator('.viewer-large figcaption').innerText(), /occlusion/);
});

await step('a class of the bars is explained by a click, and the first answer is there again at once', async () => {
  const top = await page.locator('h1').innerText();
  const other = (await page.locator('.bars-name').allInnerTexts())[1].trim().replaceAll('_', ' ');
  await page.locator('.bars-row').nth(1).click();
  await page.locator('h1', { hasText: other }).waitFor();
  await finished(page);
  const asked = [];
  page.on('request', (request) => { if (request.url().endsWith('/api/explain')) asked.push(request.url()); });
  await page.locator('.page-history-open').nth(1).click();
  await page.locator('h1', { hasText: top }).waitFor();
  assert.deepEqual(asked, []);
});

await step('a class is found by its name with the keyboard', async () => {
  const box = page.getByRole('combobox', { name: 'Class' });
  await box.click();
  await box.fill('espresso');
  await page.getByRole('option', { name: /espresso/ }).first().waitFor();
  await page.waitForFunction(() => /espresso/.test(document.querySelector('[role=option][aria-selected=true]')?.textContent ?? ''));
  await accessible(page, 'list of classes');
  await page.keyboard.press('Enter');
  assert.equal(await box.inputValue(), 'espresso');
  await page.getByRole('button', { name: 'Explain', exact: true }).click();
  await page.locator('h1', { hasText: 'espresso' }).waitFor();
  await finished(page);
});

await step('a method with an option and a check is explained', async () => {
  await page.getByText('Changed pictures').click();
  const family = page.locator('.page-family', { hasText: 'Changed pictures' });
  await family.locator('.page-method', { hasText: 'what the class loses when a window' }).getByText('Options and source').click();
  await page.getByLabel('window', { exact: true }).fill('48');
  await page.getByLabel('stride', { exact: true }).fill('24');
  await page.getByText('Test the maps').click();
  await page.getByRole('checkbox', { name: /^deletion$/i }).check();
  await accessible(page, 'settings');
  const sent = page.waitForRequest((request) => request.url().endsWith('/api/explain'));
  await page.getByRole('button', { name: 'Explain', exact: true }).click();
  const body = (await sent).postDataJSON();
  assert.deepEqual([body.options, body.checks], [{ 'occlusion.window': '48', 'occlusion.stride': '24' }, ['deletion']]);
  await finished(page);
  await page.locator('.check').first().waitFor();
  await page.getByRole('checkbox', { name: /^deletion$/i }).uncheck();
});

await step('files are downloaded', async () => {
  await page.getByText('Download', { exact: true }).click();
  for (const name of ['PNG: figure', 'SVG: figure', 'PDF: figure', 'HTML: report', 'JSON: record of all parameters', 'npy: grad-cam, one number for each pixel']) {
    const link = page.getByRole('link', { name, exact: true });
    if (await link.count() === 0) continue;
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    assert.ok((await readFile(await download.path())).length > 0);
    assert.match(download.suggestedFilename(), /^chelsea-|^coffee-|^input-/);
  }
  assert.equal(await page.getByText('no such file').count(), 0);
});

await step('the window is moved by mouse and keys: one question at a time', async () => {
  let open_ = 0;
  let most = 0;
  let asked = 0;
  const isWindow = (request) => request.url().endsWith('/api/window');
  page.on('request', (request) => { if (isWindow(request)) { asked += 1; most = Math.max(most, ++open_); } });
  for (const event of ['requestfinished', 'requestfailed']) page.on(event, (request) => { if (isWindow(request)) open_ -= 1; });
  await page.getByRole('button', { name: 'Live window' }).click();
  const area = page.getByRole('application');
  await page.getByText(/^Answered in/).waitFor();
  const box = await area.boundingBox();
  await page.mouse.move(box.x + 20, box.y + 20);
  await page.mouse.down();
  for (let i = 0; i < 40; i++) await page.mouse.move(box.x + 20 + 5 * i, box.y + 20 + 4 * i);
  await page.mouse.up();
  await area.focus();
  const before = await area.getAttribute('aria-label');
  await page.keyboard.press('Shift+ArrowUp');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction((old) => document.querySelector('[role=application]').getAttribute('aria-label') !== old, before);
  await page.waitForTimeout(500);
  assert.equal(most, 1);
  assert.ok(asked > 3, `only ${asked} questions`);
  await page.getByLabel('Covered with').selectOption('blur');
  await accessible(page, 'live window');
});

await step('two networks are compared, with one cursor for both', async () => {
  await page.getByRole('button', { name: 'Compare' }).click();
  const right = page.getByRole('region', { name: 'Right' });
  await right.getByLabel('Method').selectOption('grad-cam');
  await right.locator('figcaption', { hasText: 'grad-cam' }).waitFor({ timeout: 60_000 });
  const networks = await right.getByLabel('Network').locator('option').allInnerTexts();
  if (networks.length > 1) {
    await right.getByLabel('Network').selectOption(networks[1]);
    await right.getByText(/%/).first().waitFor();
    await right.locator('figcaption', { hasText: 'grad-cam' }).waitFor({ timeout: 60_000 });
  }
  await page.getByRole('region', { name: 'Left' }).getByRole('application').focus();
  await page.keyboard.press('ArrowRight');
  await right.getByText(/ here$/).waitFor();
  await page.locator('.controls select').last().selectOption('shared');
  await accessible(page, 'comparison');
});

await step('an entry of the history is removed', async () => {
  await page.getByRole('button', { name: 'Maps', exact: true }).click();
  const entries = page.locator('.page-history li');
  const count = await entries.count();
  await entries.first().hover();
  await entries.first().getByRole('button', { name: /^Remove/ }).click();
  assert.equal(await entries.count(), count - 1);
});

await step('what is no picture is said in the words of the server', async () => {
  await chooser(page).setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture') });
  const alert = page.getByRole('alert');
  await alert.waitFor();
  assert.match(await alert.innerText(), /notes\.txt/);
  await accessible(page, 'failure');
  await page.context().close();
});

await step('every width in light and dark, without a serious mistake', async () => {
  if (shots !== null) await mkdir(shots, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    for (const [width, height] of [[1440, 900], [768, 1024], [390, 844]]) {
      const small = await open(address, { viewport: { width, height }, colorScheme, hasTouch: width < 500 });
      const look = async (name) => {
        await accessible(small, `${name} ${width} ${colorScheme}`);
        if (shots !== null) await small.screenshot({ path: resolve(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      };
      await small.getByRole('button', { name: 'Choose pictures' }).waitFor();
      await small.getByText('Checks', { exact: true }).waitFor();
      await look('start');
      await chooser(small).setInputFiles(picture);
      await finished(small);
      await look('maps');
      await small.getByRole('button', { name: 'Live window' }).click();
      await small.getByText(/^Answered in/).waitFor();
      await look('window');
      await small.getByRole('button', { name: 'Compare' }).click();
      await small.locator('figcaption').nth(1).waitFor();
      await look('compare');
      await small.context().close();
    }
  }
});

if (!words[0]?.startsWith('http')) {
  await step('a token is asked for, and again after a wrong one', async () => {
    const locked = await open((await mock({ token: 'right' })).address);
    await locked.getByRole('textbox', { name: 'Token' }).fill('wrong');
    await accessible(locked, 'token');
    await locked.keyboard.press('Enter');
    await locked.getByText('did not accept').waitFor();
    await locked.getByRole('textbox', { name: 'Token' }).fill('right');
    await locked.keyboard.press('Enter');
    await chooser(locked).setInputFiles(picture);
    await finished(locked);
    await locked.context().close();
  });

  await step('a full server is asked again after its time', async () => {
    const full = await open((await mock({ busy: 1 })).address);
    await full.getByRole('button', { name: 'Choose pictures' }).waitFor();
    await chooser(full).setInputFiles(picture);
    await full.getByText('The server is full').waitFor();
    await finished(full);
    await full.context().close();
  });

  await step('another class stops what runs', async () => {
    const slow = await mock({ slow: 60 });
    const running = await open(slow.address);
    await running.getByRole('button', { name: 'Choose pictures' }).waitFor();
    await chooser(running).setInputFiles(picture);
    await running.locator('.bars-row').nth(1).click();
    await running.locator('.page-history-methods', { hasText: /stopped|grad-cam/ }).first().waitFor();
    await finished(running);
    assert.equal(slow.counts.aborted, 1);
    await running.context().close();
  });
}

await browser.close();
for (const { server } of mocks) {
  server.close();
  server.closeAllConnections();
}
assert.deepEqual(problems, []);
