// Downloads of the page, compared with the files that dvm writes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { LARGE, step } from './browser.ts';
import { chooser, fewWindows, finished, settle } from './page-steps.ts';
import { coffee, copy, dvm, folder, serve, type Serving } from './program.ts';

const work = folder();
let server: Serving;
beforeAll(async () => {
  copy(coffee, join(work, 'coffee.png'));
  const [started] = await Promise.all([
    serve('--model', 'squeezenet1_1'),
    dvm(['explain', 'coffee.png', '--model', 'squeezenet1_1', '--method', 'grad-cam,occlusion', '--window', '56', '--stride', '28', '--out', 'maps'], { cwd: work }),
  ]);
  server = started;
});

/** Clicks a link; returns the file's bytes and path. */
async function get(page: Page, name: string, file: string): Promise<{ bytes: Buffer; path: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name, exact: true }).click()]);
  expect(download.suggestedFilename()).toBe(file);
  const path = join(work, 'downloads', file);
  await download.saveAs(path);
  return { bytes: readFileSync(path), path };
}

step('figures, arrays, the record and the report can be downloaded', async (open) => {
  const page = await open(server.address);
  await settle(page, { methods: ['grad-cam', 'occlusion'], options: fewWindows });
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  await page.getByText('Download', { exact: true }).click();

  const beginning = async (name: string, file: string) => (await get(page, name, file)).bytes.toString('latin1', 0, 400);
  expect(await beginning('PNG: figure', 'coffee-figure.png')).toMatch(/^\x89PNG/);
  expect(await beginning('SVG: figure', 'coffee-figure.svg')).toMatch(/<svg /);
  expect(await beginning('PDF: figure', 'coffee-figure.pdf')).toMatch(/^%PDF-/);
  expect(await beginning('PNG: occlusion over the picture', 'coffee-occlusion.overlay.png')).toMatch(/^\x89PNG/);

  for (const method of ['grad-cam', 'occlusion']) {
    const map = await get(page, `npy: ${method}, the map with one value for each pixel`, `coffee-${method}.npy`);
    expect(map.bytes.equals(readFileSync(join(work, 'maps/coffee', `${method}.npy`))), `${method}: the same bytes as of dvm explain`).toBe(true);
    const raw = await get(page, `raw npy: ${method}, the raw array`, `coffee-${method}.raw.npy`);
    expect(raw.bytes.equals(readFileSync(join(work, 'maps/coffee', `${method}.raw.npy`)))).toBe(true);
  }
  const record = JSON.parse((await get(page, 'JSON: record of all settings', 'coffee-record.json')).bytes.toString()) as Record<string, any>;
  expect(record.class.name).toBe('espresso');
  expect(record.methods[1].parameters).toMatchObject({ window: [56, 56], stride: [28, 28] });

  const { path } = await get(page, 'HTML: report', 'coffee-report.html');
  const report = await open(pathToFileURL(path).href);
  await report.locator('.sentence').waitFor();
  expect(await report.locator('#entry-title').innerText()).toBe('coffee.png: espresso');
  await report.locator('.multiple').nth(1).click();
  expect(await report.locator(`${LARGE} figcaption`).innerText()).toBe('occlusion 56/28');
  // It was made without a command.
  expect(await report.getByRole('button', { name: 'Copy the command' }).count()).toBe(0);
});
