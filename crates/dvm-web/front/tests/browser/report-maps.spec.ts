// The report of one picture: its functions, and whether its numbers match the files of the same run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { LARGE, fits, looks, looksRight, pixelsOf, placeOf, readAt, step, unfold, type Open, type Opened } from './browser.ts';
import { at, expectNumber, halfStep, readNpy } from './numbers.ts';
import { coffee, copy, dvm, folder, shell } from './program.ts';

const METHODS = ['grad-cam', 'guided-backprop', 'occlusion'];
const WORDS = [
  'explain', 'a picture.png', '--model', 'squeezenet1_1', '--method', METHODS.join(','), '--window', '56', '--stride', '28',
  '--class', 'top', '--class', 'tiger_cat', '--check', 'deletion', '--set', 'deletion.steps=8',
  '--report', 'report.html', '--out', 'maps',
];

interface Recorded {
  top: { index: number; name: string; probability: number }[];
  image: Record<string, unknown>;
  methods: { name: string; metrics: { value: number; curves: { points: [number, number][] }[] }[] }[];
}

const work = folder();
const report = pathToFileURL(join(work, 'report.html')).href;
/** The folder of the most probable class; that of the other class is beside it. */
const files = join(work, 'maps', 'a picture');
const first = join(files, '967-espresso');
let record: Recorded;

beforeAll(async () => {
  copy(coffee, join(work, 'a picture.png'));
  await dvm(WORDS, { cwd: work });
  record = JSON.parse(readFileSync(join(first, 'explanation.json'), 'utf8')) as Recorded;
});

async function detail(open: Open, settings: Opened = {}, which = 0): Promise<Page> {
  const page = await open(`${report}#picture-${which}`, settings);
  await page.locator('.sentence').waitFor();
  return page;
}

const control = (page: Page, name: string | RegExp) => page.getByRole('group', { name: 'How the maps are drawn' }).getByLabel(name);
const chooseMap = (page: Page, method: string) => page.locator('.multiple').nth(METHODS.indexOf(method)).click();
const largePixels = (page: Page) => pixelsOf(page, `${LARGE} canvas.map-pixels`);

step('a report opens from disk and lists the explanations', async (open) => {
  const page = await open(report);
  const cards = page.locator('.report-list a');
  await cards.first().waitFor();
  expect(await cards.allInnerTexts()).toEqual([expect.stringContaining('espresso 96.6 %'), expect.stringContaining('tiger cat 0.0 %')]);
  await cards.first().click();
  await page.locator('.sentence').waitFor();
  expect(await page.locator('#entry-title').innerText()).toBe('a picture.png: espresso');
});

step('no other script runs in a report', async (open) => {
  const page = await open(report, { expected: /Content Security Policy/ });
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'document.title = "it ran"';
    document.body.append(script);
    return document.title;
  });
  expect(ran).toBe('a picture.png by squeezenet1_1');
});

step('the slider goes from the grey picture to the map', async (open) => {
  const page = await detail(open);
  const slider = page.getByRole('slider');
  await slider.fill('0');
  const none = await largePixels(page);
  const isGrey = (pixels: Buffer) => pixels.every((value, i) => i % 4 === 3 || value === pixels[i - (i % 4)]);
  expect(isGrey(none), 'at 0 % there is only the grey picture').toBe(true);
  await slider.fill('60');
  const some = await largePixels(page);
  expect(isGrey(some), 'at 60 % there are colours').toBe(false);
  await slider.fill('100');
  const all = await largePixels(page);
  await control(page, 'Show the map').selectOption('map');
  expect((await largePixels(page)).equals(all), 'at 100 % there is only the map').toBe(true);
  // Between the two, every channel of every pixel is interpolated.
  const off = [...some].map((value, i) => Math.abs(value - (none[i]! + 0.6 * (all[i]! - none[i]!))));
  expect(off.reduce((a, b) => Math.max(a, b))).toBeLessThanOrEqual(1);
});

step('a click or a number key chooses a map', async (open) => {
  const page = await detail(open);
  const title = page.locator(`${LARGE} figcaption`);
  const pixels: Buffer[] = [];
  for (const [method, wanted] of [['grad-cam', 'Grad-CAM'], ['guided-backprop', 'guided backprop'], ['occlusion', 'occlusion 56/28']] as const) {
    await chooseMap(page, method);
    expect(await title.innerText()).toBe(wanted);
    pixels.push(await largePixels(page));
  }
  expect(pixels[0]!.equals(pixels[1]!), 'the first two maps are drawn alike').toBe(false);
  expect(pixels[1]!.equals(pixels[2]!), 'the last two maps are drawn alike').toBe(false);
  await page.keyboard.press('1');
  expect(await title.innerText()).toBe('Grad-CAM');
});

step('another colour map changes the colours and its bar', async (open) => {
  const page = await detail(open);
  await control(page, 'Show the map').selectOption('map');
  await control(page, /^Smooth/).uncheck();
  await control(page, 'Colours').selectOption('viridis');
  const map = readNpy(join(first, 'grad-cam.npy'));
  const peak = map.values.indexOf(map.values.reduce((a, b) => Math.max(a, b)));
  // The last colour of matplotlib's viridis.
  expect([...(await largePixels(page)).subarray(4 * peak, 4 * peak + 3)]).toEqual([253, 231, 37]);
  expect([...(await pixelsOf(page, '.colour-bar canvas')).subarray(-4, -1)]).toEqual([253, 231, 37]);
  // A signed map takes only colours with a neutral middle.
  await chooseMap(page, 'occlusion');
  expect(await control(page, 'Colours of signed maps').locator('option').allInnerTexts()).not.toContain('viridis');
});

step('a shared scale is the same for all entries, and separate scales differ', async (open) => {
  const page = await open(report);
  const ticks: Record<string, string[][]> = {};
  for (const scale of ['own', 'shared']) {
    for (const [i, card] of (await page.locator('.report-list a').all()).entries()) {
      await card.click();
      await chooseMap(page, 'occlusion');
      await control(page, 'Scale').selectOption(scale);
      const bar = page.locator('.colour-bar-ticks');
      // If values are outside the scale, its end is marked.
      const marks = async () => (await bar.innerText()).split('\n').filter((mark) => !/[≤≥]/.test(mark));
      // Other entries are read after the choice.
      if (scale === 'shared' && i === 1) await expect.poll(marks).toEqual(expect.arrayContaining(ticks.shared![0]!));
      (ticks[scale] ??= []).push(await marks());
      await page.getByRole('link', { name: 'All entries' }).click();
    }
  }
  expect(ticks.own![0]).not.toEqual(ticks.own![1]);
});

step('the value under the cursor is that of the file', async (open) => {
  const page = await detail(open);
  for (const method of METHODS) {
    const map = readNpy(join(first, `${method}.npy`));
    await chooseMap(page, method);
    for (const [row, column] of [[0, 0], [223, 223], [70, 150], [111, 112], [200, 17]] as const) {
      const said = await readAt(page, row, column);
      const number = /: (\S+) /.exec(said)![1]!;
      expectNumber(number, at(map, row, column), `${method} at ${row}, ${column}`, { slack: halfStep(map) });
    }
  }
});

step('for occlusion, the loss of a class is its score minus its score with the window covered', async (open) => {
  const page = await detail(open);
  await chooseMap(page, 'occlusion');
  const raw = readNpy(join(files, 'occlusion.raw.npy'));
  expect(raw.shape).toEqual([1000, 7, 7]);
  for (const [row, column] of [[10, 10], [112, 112], [60, 190], [220, 100]] as const) {
    await readAt(page, row, column);
    // Windows of 56 pixels every 28 pixels: a pixel shows the window with the nearest centre.
    const cell = (place: number) => nearest(place, [0, 1, 2, 3, 4, 5, 6].map((i) => 28 * i + 27.5));
    const table = page.getByRole('table', { name: /^With the window here covered/ });
    const rows = await table.locator('tbody tr').all();
    expect(rows.length).toBeGreaterThanOrEqual(5);
    for (const [i, { index, name, probability }] of record.top.entries()) {
      const [title, before, covered, loses] = await rows[i]!.locator('th, td').allInnerTexts();
      const what = `${name} at ${row}, ${column}`;
      const after = at(raw, index, cell(row), cell(column));
      expect(title).toBe(name.replaceAll('_', ' '));
      expectNumber(before!, probability, what);
      expectNumber(covered!, after, what, { slack: halfStep(raw) });
      expectNumber(`${loses} %`, probability - after, what, { slack: halfStep(raw) });
    }
  }
});

step('the five most probable classes are shown with bars', async (open) => {
  const page = await detail(open);
  const bars = await page.locator('.report-classes .bars li').all();
  expect(bars.length).toBe(5);
  for (const [i, { name, probability }] of record.top.entries()) {
    expect(await bars[i]!.locator('.bars-name').innerText()).toContain(name.replaceAll('_', ' '));
    expectNumber(await bars[i]!.locator('.bars-number').innerText(), probability, name);
    const share = await bars[i]!.locator('.bars-track').evaluate((track) => track.firstElementChild!.getBoundingClientRect().width / track.getBoundingClientRect().width);
    expect(share).toBeCloseTo(probability, 2);
  }
});

step('checks show their value, and their curve as a chart and a table', async (open) => {
  const page = await detail(open);
  for (const [i, { name, metrics }] of record.methods.entries()) {
    const [measured] = metrics;
    const [curve] = measured!.curves;
    const check = page.locator('.check').nth(i);
    const value = /^deletion (\S+)/.exec(await check.locator('h4').innerText())![1]!;
    expectNumber(value, measured!.value, `deletion of ${name}`, { digits: 3 });
    const drawn = (await check.locator('svg[role=img] polyline').getAttribute('points'))!.split(' ');
    expect(drawn.length).toBe(curve!.points.length);
    await check.getByText('Values of the curves').click();
    const rows = await check.locator('tbody tr').all();
    expect(rows.length).toBe(curve!.points.length);
    for (const [j, [x, y]] of curve!.points.entries()) {
      const [across, up] = await rows[j]!.locator('th, td').allInnerTexts();
      expectNumber(across!, x, name);
      expectNumber(up!, y, name);
    }
  }
});

step('every parameter of the record is in the report', async (open) => {
  const page = await detail(open);
  await page.getByText('All settings of this entry').click();
  const table = page.getByRole('table', { name: /^Settings of/ });
  const shown = new Set((await table.locator('td').allTextContents()).map((text) => text.trim()));
  const scalars = (json: unknown): string[] => {
    if (Array.isArray(json)) return json.every((item) => item === null || typeof item !== 'object') ? [] : json.flatMap(scalars);
    if (json !== null && typeof json === 'object') return Object.values(json).flatMap(scalars);
    return typeof json === 'string' || typeof json === 'number' ? [String(json)] : [];
  };
  const wanted = scalars(record);
  expect(wanted.length).toBeGreaterThan(80);
  expect(wanted.filter((text) => text !== '' && !shown.has(text))).toEqual([]);
});

step('the button copies the command, and the command makes the same maps', async (open) => {
  const page = await open(report, { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByRole('button', { name: 'Copy the command' }).click();
  await page.getByText('Copied.').waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  expect(command).toMatch(/^dvm explain 'a picture\.png' /);
  const again = folder();
  copy(coffee, join(again, 'a picture.png'));
  await shell(command, again);
  for (const method of METHODS) {
    const name = join('maps', 'a picture', '967-espresso', `${method}.npy`);
    expect(readFileSync(join(again, name)).equals(readFileSync(join(work, name))), `${name} is the same`).toBe(true);
  }
});

step('the report can be used by keyboard', async (open) => {
  const page = await open(report);
  await page.locator('.report-list a').first().waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-id') ?? document.activeElement?.getAttribute('aria-roledescription') ?? document.activeElement?.id ?? '');
  const tabTo = async (wanted: string) => {
    for (let i = 0; i < 40 && await focused() !== wanted; i++) await page.keyboard.press('Tab');
    expect(await focused()).toBe(wanted);
  };
  await tabTo('0');
  await page.keyboard.press('ArrowRight');
  expect(await focused()).toBe('1');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  await page.locator('.sentence').waitFor();
  expect(await focused()).toBe('entry-title');
  await page.keyboard.press('ArrowRight');
  await expect.poll(() => page.locator('#entry-title').innerText()).toBe('a picture.png: tiger cat');
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => page.locator('#entry-title').innerText()).toBe('a picture.png: espresso');
  await tabTo('map');
  await page.keyboard.press('3');
  expect(await page.locator(`${LARGE} figcaption`).innerText()).toBe('occlusion 56/28');
  await tabTo('map');
  await page.keyboard.press('m');
  const map = readNpy(join(first, 'occlusion.npy'));
  const said = /^Row (\d+), column (\d+): (\S+) /.exec(await page.locator('.reading p').first().innerText())!;
  const most = map.values.reduce((a, b) => Math.max(a, b));
  expectNumber(said[3]!, most, 'the largest number', { slack: halfStep(map) });
  expect(at(map, Number(said[1]), Number(said[2]))).toBe(most);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Shift+ArrowRight');
  await page.getByText(`Row ${Number(said[1]) + 1}, column ${Number(said[2]) + 10}:`).waitFor();
  // The first removes the cursor, the second goes back to the list.
  await page.keyboard.press('Escape');
  await page.getByText('Point at the map').waitFor();
  await page.keyboard.press('Escape');
  await expect.poll(focused).toBe('0');
});

step('values can be read by touch', async (open) => {
  const page = await detail(open, { viewport: { width: 390, height: 844 }, hasTouch: true });
  const { x, y } = await placeOf(page, LARGE, 50, 60);
  await page.touchscreen.tap(x, y);
  await page.getByText(/^Row 50, column 60:/).waitFor();
});

step('the values are a table: means of parts of the map', async (open) => {
  const page = await detail(open);
  await chooseMap(page, 'occlusion');
  await page.getByText('Values as a table').click();
  const table = page.getByRole('table', { name: /means by rows and columns/ });
  const span = (text: string) => text.split('–').map(Number) as [number, number];
  const columns = (await table.locator('thead th').allInnerTexts()).slice(1).map(span);
  const map = readNpy(join(first, 'occlusion.npy'));
  const rows = await table.locator('tbody tr').all();
  expect([rows.length, columns.length]).toEqual([8, 8]);
  for (const row of rows) {
    const [head, ...cells] = await row.locator('th, td').allInnerTexts();
    const [top, bottom] = span(head!);
    for (const [i, text] of cells.entries()) {
      const [left, right] = columns[i]!;
      let sum = 0;
      for (let r = top; r <= bottom; r++) for (let c = left; c <= right; c++) sum += at(map, r, c);
      const mean = sum / ((bottom - top + 1) * (right - left + 1));
      expectNumber(text, mean, `rows ${head}, columns ${left}–${right}`, { slack: halfStep(map), digits: 3 });
    }
  }
});

step('the report prints pictures, maps and tables', async (open) => {
  const page = await detail(open);
  const pdf = (await page.pdf({ format: 'A4', printBackground: true })).toString('latin1');
  expect(pdf.match(/\/Type \/Page\b/g)!.length).toBeGreaterThanOrEqual(1);
  // The large map and the three small ones.
  expect(pdf.match(/\/Subtype \/Image/g)!.length).toBeGreaterThanOrEqual(4);
  await page.emulateMedia({ media: 'print' });
  for (const part of ['#entry-title', `${LARGE} canvas`, '.bars', '.check']) {
    expect(await page.locator(part).first().isVisible(), `${part} is printed`).toBe(true);
  }
});

step('the theme is that of the system, or the chosen one', async (open) => {
  const brightness = (page: Page) => page.evaluate(() => {
    const [red, green, blue] = /(\d+), (\d+), (\d+)/.exec(getComputedStyle(document.body).backgroundColor)!.slice(1).map(Number);
    return (red! + green! + blue!) / 3;
  });
  const page = await open(report, { colorScheme: 'dark' });
  await page.locator('.report-list').waitFor();
  expect(await brightness(page)).toBeLessThan(80);
  await page.getByLabel('Theme').selectOption('light');
  expect(await brightness(page)).toBeGreaterThan(200);
  await page.getByLabel('Theme').selectOption('system');
  expect(await brightness(page)).toBeLessThan(80);
  await page.emulateMedia({ colorScheme: 'light' });
  expect(await brightness(page)).toBeGreaterThan(200);
});

for (const { width, height, colorScheme } of looks) {
  step(`at ${width} pixels in ${colorScheme} nothing is wider than the window, and axe finds no serious problem`, async (open) => {
    const name = `${width} ${colorScheme}`;
    const page = await open(report, { viewport: { width, height }, colorScheme, hasTouch: width < 500 });
    await page.locator('.report-list').waitFor();
    await looksRight(page, `report list ${name}`);
    await page.locator('.report-list a').first().click();
    await page.locator('.sentence').waitFor();
    await chooseMap(page, 'occlusion');
    await readAtMiddle(page);
    await fits(page, `report detail ${name}`);
    await unfold(page);
    await looksRight(page, `report unfolded ${name}`);
  });
}

async function readAtMiddle(page: Page): Promise<void> {
  await page.locator(`${LARGE} .map-canvas`).focus();
  await page.keyboard.press('m');
  await page.getByText(/^With the window here covered/).first().waitFor();
}

function nearest(place: number, centres: number[]): number {
  return centres.reduce((best, centre, i) => (Math.abs(place - centre) < Math.abs(place - centres[best]!) ? i : best), 0);
}
