// Two explanations of one picture side by side.
import type { Locator, Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { looksRight, pixelsOf, placeOf, step, type Open } from './browser.ts';
import { chooser, finished, settle } from './page-steps.ts';
import { coffee, serve, type Serving } from './program.ts';

let server: Serving;
beforeAll(async () => {
  server = await serve('--model', 'squeezenet1_1', '--model', 'efficientnet_lite0');
});

async function compare(open: Open): Promise<{ page: Page; left: Locator; right: Locator }> {
  const page = await open(server.address);
  await settle(page, { methods: ['grad-cam', 'guided-backprop'] });
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  await page.getByRole('button', { name: 'Compare' }).click();
  const [left, right] = ['Left', 'Right'].map((name) => page.getByRole('region', { name, exact: true })) as [Locator, Locator];
  await right.locator('figcaption').waitFor();
  return { page, left, right };
}

const differ = async (page: Page) => {
  const [left, right] = await Promise.all(['Left', 'Right'].map((name) => pixelsOf(page, `[aria-label=${name}] canvas.map-pixels`)));
  expect(left!.equals(right!), 'both sides are drawn equally').toBe(false);
};

step('two methods share a cursor', async (open) => {
  const { page, left, right } = await compare(open);
  expect([await left.locator('figcaption').innerText(), await right.locator('figcaption').innerText()]).toEqual(['Grad-CAM', 'guided backprop']);
  await differ(page);
  const { x, y } = await placeOf(page, '[aria-label=Left]', 100, 80);
  await page.mouse.move(x, y);
  for (const side of [left, right]) await side.getByText(/ here$/).waitFor();
  await right.getByLabel('Method').selectOption('layer-cam');
  await right.locator('figcaption', { hasText: /layer.?cam/i }).waitFor();
  await differ(page);
});

step('two classes', async (open) => {
  const { page, left, right } = await compare(open);
  const box = right.getByRole('combobox', { name: 'Class' });
  await right.getByLabel('Method').selectOption('grad-cam');
  await right.locator('figcaption', { hasText: 'Grad-CAM' }).waitFor();
  await box.fill('consomme');
  await right.locator('[role=option][aria-selected=true]', { hasText: 'consomme' }).waitFor();
  await box.press('Enter');
  await right.locator('.page-pane-title', { hasText: 'consomme' }).waitFor();
  await right.locator('figcaption', { hasText: 'Grad-CAM' }).waitFor();
  expect(await left.locator('.page-pane-title').innerText()).toContain('espresso');
  await differ(page);
  // Both have the same quantity, so they can share a scale.
  await page.locator('.controls').getByLabel(/^Scale/).selectOption('shared');
  const numbers = async (side: Locator) => (await side.locator('.colour-bar-ticks').innerText()).split('\n').filter((mark) => !/[≤≥]/.test(mark));
  const [one, other] = [await numbers(left), await numbers(right)];
  expect(one.every((mark) => other.includes(mark)) || other.every((mark) => one.includes(mark)), `${one} and ${other} have one scale`).toBe(true);
});

step('two networks', async (open) => {
  const { page, left, right } = await compare(open);
  await right.getByLabel('Network').selectOption('efficientnet_lite0');
  await expect.poll(async () => right.locator('.page-pane-title').innerText()).not.toBe(await left.locator('.page-pane-title').innerText());
  await right.locator('figcaption').waitFor();
  await differ(page);
  await looksRight(page, 'page compare');
});
