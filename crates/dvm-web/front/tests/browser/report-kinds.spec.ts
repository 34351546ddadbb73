// Reports of the other commands: they open, and their numbers match the output of the commands.
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect } from 'vitest';
import { looksRight, step, unfold, type Open } from './browser.ts';
import { expectNumber } from './numbers.ts';
import { bitmap } from './pictures.ts';
import { cat, coffee, copy, dvm, folder } from './program.ts';

const work = folder();

beforeAll(() => {
  for (const part of ['train', 'val']) {
    copy(coffee, join(work, `data/${part}/espresso/1.png`));
    copy(cat, join(work, `data/${part}/tiger_cat/1.png`));
    copy(coffee, join(work, `data/${part}/tiger_cat/2.png`));
    mkdirSync(join(work, `data/${part}/espresso`), { recursive: true });
    writeFileSync(join(work, `data/${part}/espresso/2.bmp`), bitmap(64, 64, 5));
  }
});

async function reported(open: Open, ...words: string[]) {
  const name = `${words[0]}.html`;
  const { stdout } = await dvm([...words, '--report', name], { cwd: work });
  const page = await open(pathToFileURL(join(work, name)).href);
  await page.locator('main section').first().waitFor();
  await unfold(page);
  await looksRight(page, `report of ${words[0]}`);
  return { page, stdout, text: await page.locator('main').innerText() };
}

step('a report of a training has curves, and a report of an evaluation has the metrics', async (open) => {
  const trained = await reported(open, 'train', 'data', '--model', 'squeezenet1_1', '--train', 'head', '--epochs', '2', '--batch', '2', '--out', 'run', '--plain');
  expect(await trained.page.locator('img.report-chart').count()).toBeGreaterThanOrEqual(1);
  const { page, stdout, text } = await reported(open, 'evaluate', 'run/last.safetensors', 'data', '--bootstrap', '20', '--json');
  const { accuracy } = JSON.parse(stdout) as { accuracy: number };
  const row = page.getByRole('table', { name: 'Metrics' }).getByRole('row', { name: /^accuracy/ });
  expectNumber((await row.locator('td').first().innerText()), accuracy, 'accuracy');
  expect(text).toContain('espresso');
});

step('a report of a comparison has the values that the command prints', async (open) => {
  const { stdout, text } = await reported(open, 'compare', 'data', '--model', 'squeezenet1_1', '--method', 'grad-cam', '--metrics', 'sparseness', '--out', 'compared');
  const [, mean] = /^grad-cam\s+(\d\S* ± \S+)/m.exec(stdout)!;
  expect(text).toContain(mean);
});

step('a report of a survey shows where the network looks', async (open) => {
  const { page, stdout } = await reported(open, 'survey', 'data', '--model', 'squeezenet1_1', '--out', 'surveyed');
  const [, middle] = /^espresso\s+\d+\s+\S+\s+(\S+) %/m.exec(stdout)!;
  const row = page.getByRole('table', { name: 'Classes' }).getByRole('row', { name: /^espresso/ });
  expect(100 * Number(await row.locator('td').nth(2).innerText())).toBeCloseTo(Number(middle), 1);
  expect(await page.locator('img.report-chart').count(), 'mean maps').toBeGreaterThanOrEqual(2);
});
