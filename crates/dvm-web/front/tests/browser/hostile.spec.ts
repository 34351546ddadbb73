// Names of files and classes are escaped in a report and on the page.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { step } from './browser.ts';
import { finished, settle } from './page-steps.ts';
import { coffee, copy, dvm, folder, serve, type Serving } from './program.ts';

const BREAK = '<!--<script>';
const CLASS = '</script><img src=x onerror=document.title="class"><b>"\'&amp;';
const FILE = '<img src=x onerror=document.title="file">&lt;.png';
/** A folder named `<` with this file in it makes the end tag of a script. */
const OTHER = '</script><script>document.title="path"<.png';

const work = folder();
let server: Serving;

beforeAll(async () => {
  const names = Array.from({ length: 1000 }, (_, i) => (i === 967 ? CLASS : i === 925 ? BREAK : `class ${i}`));
  writeFileSync(join(work, 'names.json'), JSON.stringify(names));
  copy(coffee, join(work, 'pictures', FILE));
  copy(coffee, join(work, 'pictures', OTHER));
  const network = ['--model', 'squeezenet1_1', '--classes', 'names.json'];
  await dvm(['explain', 'pictures', ...network, '--method', 'grad-cam', '--report', 'report.html', '--out', 'maps', '--formats', 'none'], { cwd: work });
  server = await serve('--model', 'squeezenet1_1', '--classes', join(work, 'names.json'));
});

async function untouched(page: Page, title: RegExp): Promise<void> {
  expect(await page.title()).toMatch(title);
  expect(await page.locator('img[src="x"]').count(), 'no name became an image').toBe(0);
  expect(await page.locator('b').count()).toBe(0);
}

step('in a report', async (open) => {
  const page = await open(pathToFileURL(join(work, 'report.html')).href);
  await page.locator('.report-list a').first().waitFor();
  const cards = await page.locator('.report-list a').allInnerTexts();
  expect(cards.length).toBe(2);
  for (const card of cards) expect(card).toContain(CLASS);
  expect(cards.some((card) => card.includes(FILE))).toBe(true);
  expect(cards.some((card) => card.includes(OTHER))).toBe(true);
  await page.locator('.report-list a').first().click();
  await page.locator('.sentence').waitFor();
  expect(await page.locator('.bars-name').allInnerTexts()).toEqual(expect.arrayContaining([expect.stringContaining(CLASS), BREAK]));
  await untouched(page, /squeezenet1_1/);
});

step('on the page', async (open) => {
  const page = await open(server.address);
  await settle(page, { methods: ['grad-cam'] });
  await page.locator('input[type=file]').first().setInputFiles({ name: FILE, mimeType: 'image/png', buffer: readFileSync(coffee) });
  await finished(page);
  expect(await page.locator('h1').innerText()).toBe(CLASS);
  await page.getByText(FILE).first().waitFor();
  expect(await page.locator('.bars-name').allInnerTexts()).toEqual(expect.arrayContaining([BREAK]));
  await untouched(page, /^dvm/);
});
