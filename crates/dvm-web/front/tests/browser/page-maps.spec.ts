// Choosing what to explain, and watching the maps appear.
import type { Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { LARGE, looksRight, pixelsOf, readAt, step, unfold, type Open } from './browser.ts';
import { at, expectNumber, halfStep, parseNpy } from './numbers.ts';
import { chooser, explain, fewWindows, finished, manyWindows, settle } from './page-steps.ts';
import { cat, coffee, metric, serve, type Serving } from './program.ts';

let server: Serving;
beforeAll(async () => {
  server = await serve('--model', 'squeezenet1_1', '--model', 'efficientnet_lite0');
});

async function explained(open: Open, methods: string[], checks: string[] = []): Promise<Page> {
  const page = await open(server.address);
  await settle(page, { methods, options: methods.includes('occlusion') ? fewWindows : {}, checks });
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  return page;
}

type Event = { event: string; method?: string; title?: string; explanation?: string };

/** Keeps the answers of explanations, because a browser does not keep streams that a page has read. */
async function listen(page: Page): Promise<(index: number) => Promise<Event[]>> {
  await page.evaluate(() => {
    const heard: Promise<string>[] = [];
    const plain = window.fetch;
    window.fetch = async (...words) => {
      const answer = await plain(...words);
      if (answer.url.endsWith('/api/explain')) heard.push(answer.clone().text());
      return answer;
    };
    Object.assign(window, { heard });
  });
  return async (index) => {
    const text = await page.evaluate((i) => (window as unknown as { heard: Promise<string>[] }).heard[i]!, index);
    return text.trim().split('\n').map((line) => JSON.parse(line) as Event);
  };
}

async function array(explanation: string, file: string) {
  const answer = await fetch(`${server.address}api/explanations/${explanation}/${file}`);
  expect(answer.status).toBe(200);
  return parseNpy(Buffer.from(await answer.arrayBuffer()));
}

/** The number of pixels of a canvas that are not grey. */
async function coloured(page: Page, selector: string): Promise<number> {
  const pixels = await pixelsOf(page, selector);
  let count = 0;
  for (let i = 0; i < pixels.length; i += 4) count += Number(pixels[i] !== pixels[i + 1] || pixels[i + 1] !== pixels[i + 2]);
  return count;
}

step('the quick map appears first, occlusion is drawn window by window, and Stop ends the work', async (open) => {
  const page = await open(server.address);
  await settle(page, { methods: ['occlusion', 'grad-cam'], options: manyWindows });
  await chooser(page).setInputFiles(coffee);
  await page.locator(`${LARGE} figcaption`, { hasText: 'Grad-CAM' }).waitFor();
  const stop = page.getByRole('button', { name: 'Stop' });
  expect(await stop.isVisible(), 'the first map is shown while another is made').toBe(true);
  await page.getByRole('button', { name: 'Watch occlusion' }).click();
  const painting = 'canvas[aria-label="occlusion, window by window"]';
  await expect.poll(() => coloured(page, painting), { timeout: 30_000 }).toBeGreaterThan(0);
  const before = await coloured(page, painting);
  await expect.poll(() => coloured(page, painting), { timeout: 30_000 }).toBeGreaterThan(before);
  await looksRight(page, 'page while occlusion is made');
  const waiting = 'dvm_queue_length{lane="long"}';
  expect(await metric(server, waiting), 'the server works').toBe(1);
  await stop.click();
  await page.getByText('Stopped; finished maps are shown.').waitFor();
  await expect.poll(() => metric(server, waiting), { timeout: 15_000 }).toBe(0);
  expect(await page.locator(`${LARGE} figcaption`).innerText()).toBe('Grad-CAM');
});

step('leaving the page ends the work', async (open) => {
  const page = await open(server.address);
  await settle(page, { methods: ['occlusion'], options: manyWindows });
  await chooser(page).setInputFiles(coffee);
  await page.getByRole('img', { name: /window by window/ }).waitFor();
  expect(await metric(server, 'dvm_queue_length{lane="long"}'), 'the server works').toBe(1);
  await page.goto('about:blank');
  await expect.poll(() => metric(server, 'dvm_queue_length{lane="long"}'), { timeout: 15_000 }).toBe(0);
});

step('the values under the cursor are those of the array', async (open) => {
  const page = await open(server.address);
  await settle(page, { methods: ['grad-cam', 'occlusion'], options: fewWindows });
  const heard = await listen(page);
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  const { explanation } = (await heard(0))[0]!;
  for (const [i, method] of ['grad-cam', 'occlusion'].entries()) {
    await page.locator('.multiple').nth(i).click();
    const map = await array(explanation!, `${method}.npy`);
    for (const [row, column] of [[20, 30], [111, 100], [200, 190]] as const) {
      const said = await readAt(page, row, column);
      expectNumber(/: (\S+) /.exec(said)![1]!, at(map, row, column), `${method} at ${row}, ${column}`, { slack: halfStep(map) });
    }
  }
  await page.getByRole('table', { name: /^With the window here covered/ }).waitFor();
});

step('a click on another class needs no new windows, and going back needs no request', async (open) => {
  const page = await open(server.address);
  await settle(page, { methods: ['occlusion'], options: fewWindows });
  const heard = await listen(page);
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  const first = await heard(0);
  expect(first.filter(({ event }) => event === 'progress' || event === 'windows').length, 'the first one sweeps').toBeGreaterThan(0);
  const bar = page.locator('.bars-row').nth(1);
  const name = (await bar.locator('.bars-name').innerText()).trim();
  await bar.click();
  await page.locator('h1', { hasText: name }).waitFor();
  await finished(page);
  const second = await heard(1);
  expect(second.map(({ event }) => event)).toEqual(['prediction', 'map', 'done']);
  // The map is the loss of that class in the windows of the first run.
  const raw = await array(first[0]!.explanation!, 'occlusion.raw.npy');
  const map = await array(second[0]!.explanation!, 'occlusion.npy');
  const [{ view }] = second as unknown as [{ view: { class: { index: number; probability: number } } }];
  for (const cell of [0, 3, 6]) {
    const middle = Math.floor(28 * cell + 27.5);
    expect(at(map, middle, middle)).toBeCloseTo(view.class.probability - at(raw, view.class.index, cell, cell), 5);
  }
  const asked: string[] = [];
  page.on('request', (request) => { if (request.url().includes('/api/')) asked.push(request.url()); });
  await page.locator('.page-history-open').nth(1).click();
  await page.locator('h1', { hasText: 'espresso' }).waitFor();
  await page.locator(`${LARGE} figcaption`, { hasText: 'occlusion 56/28' }).waitFor();
  expect(asked).toEqual([]);
});

step('a class can be found by its name, and explained against another', async (open) => {
  const page = await explained(open, ['grad-cam']);
  const choose = async (label: string, typed: string, name: string) => {
    const box = page.getByRole('combobox', { name: label, exact: true });
    await box.fill(typed);
    await page.locator('[role=option][aria-selected=true]', { hasText: name }).waitFor();
    if (label === 'Class') await looksRight(page, 'page class search');
    await page.keyboard.press('Enter');
    expect(await box.inputValue()).toBe(name);
  };
  await choose('Class', 'tiger c', 'tiger cat');
  await choose('Against', '281', 'tabby');
  await explain(page);
  await page.locator('h1', { hasText: /^tiger cat against tabby$/ }).waitFor();
  await finished(page);
});

step('another network can be chosen', async (open) => {
  const page = await explained(open, ['grad-cam']);
  expect(await page.locator('.page-run-score').innerText()).toBe('96.6 % by squeezenet1_1');
  await page.locator('.page-settings').getByLabel('Network').selectOption('efficientnet_lite0');
  await explain(page);
  await page.getByText(/% by efficientnet_lite0$/).waitFor();
  await finished(page);
});

step('the chosen methods, options and checks are used', async (open) => {
  const page = await explained(open, ['grad-cam', 'occlusion'], ['sparseness']);
  expect(await page.locator('.multiple-title').allInnerTexts()).toEqual(['Grad-CAM', 'occlusion 56/28']);
  expect(await page.locator('.check').count(), 'each map is tested').toBe(2);
  await settle(page, { methods: ['guided-backprop'] });
  await explain(page);
  await page.locator(`${LARGE} figcaption`, { hasText: 'guided backprop' }).waitFor();
  await finished(page);
  expect(await page.locator('.check').count()).toBe(0);
});

step('an invalid option is an error with a reason', async (open) => {
  const page = await open(server.address, { expected: /status of 400/ });
  await settle(page, { methods: ['occlusion'], options: { 'occlusion.window': 'wide' } });
  await chooser(page).setInputFiles(coffee);
  await page.getByRole('alert').waitFor();
  expect(await page.getByRole('alert').innerText()).toMatch(/window.*wide|wide.*window/);
});

step('the controls change what is drawn, as in a report', async (open) => {
  const page = await explained(open, ['grad-cam', 'occlusion']);
  const drawn = () => pixelsOf(page, `${LARGE} canvas.map-pixels`);
  const before = await drawn();
  await page.getByRole('slider').fill('90');
  expect((await drawn()).equals(before), 'it is drawn as before').toBe(false);
  await unfold(page);
  await looksRight(page, 'page everything unfolded');
});

step('the history keeps explanations, and they can be removed', async (open) => {
  const page = await explained(open, ['grad-cam']);
  await chooser(page).setInputFiles(cat);
  await page.locator('h1', { hasText: 'tiger cat' }).waitFor();
  await finished(page);
  const titles = page.locator('.page-history-title');
  expect(await titles.allInnerTexts()).toEqual(['tiger cat', 'espresso']);
  await page.getByRole('button', { name: 'Remove tiger cat from the history' }).click();
  expect(await titles.allInnerTexts()).toEqual(['espresso']);
  expect(await page.locator('h1').innerText()).toBe('espresso');
});
