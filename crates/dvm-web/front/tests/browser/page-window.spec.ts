// Moving a window over the picture.
import type { Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { looksRight, placeOf, step, type Open, type Opened } from './browser.ts';
import { expectNumber } from './numbers.ts';
import { chooser, finished, settle } from './page-steps.ts';
import { coffee, serve, type Serving } from './program.ts';

const AREA = '.page-window-area';

let server: Serving;
beforeAll(async () => {
  server = await serve('--model', 'squeezenet1_1');
});

interface Asked {
  picture: string;
  rows: [number, number];
  columns: [number, number];
  fill: string;
}

/** A page with the live window, and its last request. */
async function live(open: Open, settings: Opened = {}): Promise<{ page: Page; last: () => Asked }> {
  const page = await open(server.address, settings);
  let asked: Asked | null = null;
  page.on('request', (request) => { if (request.url().endsWith('/api/window')) asked = request.postDataJSON() as Asked; });
  await settle(page, { methods: ['grad-cam'] });
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  await page.getByRole('button', { name: 'Live window' }).click();
  await page.getByText(/^Computed in/).waitFor();
  return { page, last: () => asked! };
}

interface Answer {
  classes: { name: string; before: number; after: number }[];
}

/** Waits until the page shows the server's answer for the window in its label. */
async function showsTheAnswer(page: Page, last: () => Asked): Promise<Answer> {
  const label = await page.locator(AREA).getAttribute('aria-label');
  const [top, bottom, left, right] = /rows (\d+) to (\d+) and columns (\d+) to (\d+)/.exec(label!)!.slice(1).map(Number);
  await expect.poll(() => [last().rows, last().columns]).toEqual([[top, bottom], [left, right]]);
  const answer = await fetch(`${server.address}api/window`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(last()),
  });
  const wanted = (await answer.json()) as Answer;
  const rows = page.locator('.page-changes li');
  await expect.poll(() => rows.count()).toBe(wanted.classes.length);
  // The last answer may not have arrived.
  await expect.poll(async () => numberOf(await rows.first().locator('strong').innerText())).toBeCloseTo(wanted.classes[0]!.after, 3);
  for (const [i, { name, before, after }] of wanted.classes.entries()) {
    const [shownBefore, shownAfter] = (await rows.nth(i).locator('.page-change-numbers').innerText()).match(/\d+\.\d %/g)!;
    expectNumber(shownBefore!, before, `${name} before`);
    expectNumber(shownAfter!, after, `${name} covered`);
  }
  return wanted;
}

const numberOf = (text: string) => parseFloat(text) / 100;

step('the mouse drags the window, and the bars follow', async (open) => {
  const { page, last } = await live(open);
  const start = await placeOf(page, AREA, 30, 30);
  const end = await placeOf(page, AREA, 110, 90);
  const seen: string[] = [];
  page.on('request', (request) => { if (request.url().endsWith('/api/window')) seen.push(request.postData()!); });
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(end.x, end.y, { steps: 25 });
  const [espresso] = (await showsTheAnswer(page, last)).classes;
  expect(espresso!.after, 'covering the content of the cup lowers its probability').toBeLessThan(espresso!.before);
  await page.mouse.up();
  expect(seen.length, 'requests are sent while dragging').toBeGreaterThan(2);
  const there = last();
  // Its middle is within a pixel of the mouse.
  expect(Math.abs(there.rows[0] - 86), `${there.rows}`).toBeLessThanOrEqual(1);
  expect(Math.abs(there.columns[0] - 66), `${there.columns}`).toBeLessThanOrEqual(1);
  expect([there.rows[1] - there.rows[0], there.columns[1] - there.columns[0], there.fill]).toEqual([48, 48, 'mean']);
  await page.mouse.move(start.x, start.y, { steps: 5 });
  expect(last(), 'the window stays where it was dropped').toEqual(there);
  await looksRight(page, 'page live window');
});

step('keys move the window and change its size, and its fill can be chosen', async (open) => {
  const { page, last } = await live(open);
  await page.locator(AREA).focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Shift+ArrowUp');
  expect(await page.locator(AREA).getAttribute('aria-label')).toBe('Window over rows 78 to 126 and columns 89 to 137');
  await showsTheAnswer(page, last);
  await page.keyboard.press('+');
  expect(await page.locator(AREA).getAttribute('aria-label')).toBe('Window over rows 76 to 128 and columns 87 to 139');
  await showsTheAnswer(page, last);
  for (const fill of ['black', 'blur']) {
    await page.getByLabel('Fill').selectOption(fill);
    await expect.poll(() => last().fill).toBe(fill);
    await showsTheAnswer(page, last);
  }
});

step('touch moves the window', async (open) => {
  const { page, last } = await live(open, { viewport: { width: 390, height: 844 }, hasTouch: true });
  const { x, y } = await placeOf(page, AREA, 60, 150);
  await page.touchscreen.tap(x, y);
  await expect.poll(() => page.locator(AREA).getAttribute('aria-label')).toMatch(/^Window over rows 3[67] to 8[45] and columns 12[67] to 17[45]$/);
  await showsTheAnswer(page, last);
});
