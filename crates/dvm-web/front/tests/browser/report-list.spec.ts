// A report of many pictures: list, filter and order.
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { elements, madeReport } from '../made/report.ts';
import { looksRight, step, type Open } from './browser.ts';
import { bitmap } from './pictures.ts';
import { cat, coffee, copy, dvm, folder } from './program.ts';

const work = folder();
const report = pathToFileURL(join(work, 'report.html')).href;

beforeAll(async () => {
  const put = (name: string, bytes: Buffer) => {
    mkdirSync(dirname(join(work, name)), { recursive: true });
    writeFileSync(join(work, name), bytes);
  };
  // The name of a folder is the true class, if a class has this name.
  copy(coffee, join(work, 'pictures/espresso/cup 2.png'));
  copy(cat, join(work, 'pictures/tiger_cat/cat.png'));
  copy(coffee, join(work, 'pictures/tiger_cat/cup 10.png'));
  for (const seed of [1, 2, 3]) put(`pictures/other/pattern ${seed}.bmp`, bitmap(120, 90, seed));
  // Most of it is outside the crop, and dvm warns.
  put('pictures/other/strip.bmp', bitmap(900, 30, 4));
  put('pictures/other/broken.png', Buffer.from('this is no picture'));
  await dvm(['explain', 'pictures', '--model', 'squeezenet1_1', '--method', 'grad-cam', '--report', 'report.html', '--out', 'maps', '--formats', 'none'], { cwd: work, status: 1 });
});

async function list(open: Open): Promise<Page> {
  const page = await open(report);
  await page.locator('.report-list').waitFor();
  return page;
}

const names = (page: Page) => page.locator('.report-list .report-card-name').allInnerTexts();
const filter = (page: Page, name: string) => page.getByRole('search').getByLabel(new RegExp(`^${name}`));

step('all pictures are listed, and failed ones have their reason', async (open) => {
  const page = await list(open);
  expect((await names(page)).sort()).toEqual([
    'espresso/cup 2.png', 'other/pattern 1.bmp', 'other/pattern 2.bmp', 'other/pattern 3.bmp', 'other/strip.bmp', 'tiger_cat/cat.png', 'tiger_cat/cup 10.png',
  ]);
  const failed = page.getByRole('table', { name: 'Pictures that failed' });
  expect(await failed.locator('tbody tr').allInnerTexts()).toEqual([expect.stringMatching(/broken\.png\s+is not in a supported picture format/)]);
});

step('a warning is in the list and in the picture', async (open) => {
  const page = await list(open);
  await filter(page, 'Only with warnings').check();
  expect(await names(page)).toEqual(['other/strip.bmp']);
  await page.getByText('⚠ 1 warning').waitFor();
  await page.locator('.report-list a').click();
  expect(await page.getByRole('list', { name: 'Warnings' }).last().innerText()).toMatch(/Warning about the picture: the network sees .* % of this picture/);
});

step('pictures are filtered by right and wrong, by class, by true class and by words', async (open) => {
  const page = await list(open);
  const only = async (name: string, value: string, wanted: string[]) => {
    await filter(page, name).selectOption(value);
    expect((await names(page)).sort(), `${name}: ${value}`).toEqual(wanted);
    await page.getByRole('button', { name: 'Show all' }).click();
    expect((await names(page)).length).toBe(7);
  };
  await only('Answer', 'right', ['espresso/cup 2.png', 'tiger_cat/cat.png']);
  await only('Answer', 'wrong', ['tiger_cat/cup 10.png']);
  await only('Class', 'espresso', ['espresso/cup 2.png', 'tiger_cat/cup 10.png']);
  await only('True class', 'tiger_cat', ['tiger_cat/cat.png', 'tiger_cat/cup 10.png']);
  await filter(page, 'Answer').selectOption('unknown');
  expect((await names(page)).length).toBe(4);
  await filter(page, 'Text').fill('3 pattern');
  expect(await names(page)).toEqual(['other/pattern 3.bmp']);
  await page.getByText('1 of 7 entries.').waitFor();
  await filter(page, 'Text').fill('no such picture');
  await page.getByText('No entry matches the filter.').waitFor();
});

step('pictures are sorted by confidence, by class and by name, in both directions', async (open) => {
  const page = await list(open);
  const numbers = async () => (await page.locator('.report-card-number').allInnerTexts()).map(parseFloat);
  const sorted = (of: number[], sign: number) => [...of].sort((a, b) => sign * (a - b));
  await filter(page, 'Sort by').selectOption('confidence');
  const up = await numbers();
  expect(up).toEqual(sorted(up, 1));
  expect(new Set(up).size, 'the pictures differ').toBeGreaterThan(3);
  await filter(page, 'Descending').check();
  const down = await numbers();
  expect(down).toEqual(sorted(up, -1));
  await filter(page, 'Descending').uncheck();
  await filter(page, 'Sort by').selectOption('class');
  const classes = (await page.locator('.report-card-class').allInnerTexts()).map((text) => text.replace(/[\d.]+ %$/, '').trim().toLowerCase());
  expect(classes).toEqual([...classes].sort((a, b) => a.localeCompare(b, 'en')));
  await filter(page, 'Sort by').selectOption('name');
  // Numbers in names are sorted by value.
  expect((await names(page)).filter((name) => name.includes('pattern'))).toEqual([1, 2, 3].map((seed) => `other/pattern ${seed}.bmp`));
});

step('next and previous follow the list, and the address keeps it', async (open) => {
  const page = await list(open);
  await filter(page, 'Answer').selectOption('right');
  await page.locator('.report-list a').first().click();
  await page.getByText('1 of 2.').waitFor();
  const title = await page.locator('#entry-title').innerText();
  await page.getByRole('link', { name: 'Next →' }).click();
  await page.getByText('2 of 2.').waitFor();
  expect(await page.locator('#entry-title').innerText()).not.toBe(title);
  await page.locator('.report-detail').getByText('✓ right').waitFor();
  await page.reload();
  await page.getByText('2 of 2.').waitFor();
  await page.goBack();
  await page.getByText('1 of 2.').waitFor();
});

step('a list with filters has no serious problem', async (open) => {
  await looksRight(await list(open), 'report of many pictures');
});

step('a thousand pictures stay usable', async (open) => {
  const template = readFileSync(resolve(import.meta.dirname, '../../../embedded/report.html'), 'utf8');
  const data = elements(madeReport({ pictures: 1000, size: [56, 56] }));
  const file = join(work, 'thousand.html');
  writeFileSync(file, template.replace('<!--data-->', () => data));
  const page = await open(pathToFileURL(file).href);
  await page.locator('.report-list a').nth(999).waitFor({ state: 'attached' });
  /** Milliseconds until the list is drawn after an input. */
  const took = (text: string) => page.evaluate(async (value) => {
    const input = document.querySelector<HTMLInputElement>('input[type=search]')!;
    const start = performance.now();
    input.value = value;
    input.dispatchEvent(new InputEvent('input', { bubbles: true }));
    await new Promise((drawn) => { requestAnimationFrame(() => setTimeout(drawn)); });
    return performance.now() - start;
  }, text);
  const filtering = await took('lynx');
  const left = await page.locator('.report-list a').count();
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(500);
  const back = await took('');
  expect(await page.locator('.report-list a').count()).toBe(1000);
  // About 50 and 150 ms on an idle machine; an inefficient list takes seconds.
  expect(filtering, 'milliseconds to filter').toBeLessThan(2000);
  expect(back, 'milliseconds to show all again').toBeLessThan(3000);
  await page.locator('.report-list a').nth(700).click();
  await page.locator('.sentence').waitFor();
});
