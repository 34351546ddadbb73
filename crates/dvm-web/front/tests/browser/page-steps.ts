import type { Page } from 'playwright-core';

/** The field for choosing pictures. */
export const chooser = (page: Page) => page.locator('input[type=file]').first();

/** Waits until the shown explanation is finished. */
export async function finished(page: Page): Promise<void> {
  await page.getByText(/^Made in .* seconds\./).waitFor({ timeout: 100_000 });
}

interface Wanted {
  methods: string[];
  /** Such as `{ 'occlusion.window': '56' }`. */
  options?: Record<string, string>;
  checks?: string[];
}

/** Chooses methods, their options and checks in the panel. */
export async function settle(page: Page, { methods, options = {}, checks = [] }: Wanted): Promise<void> {
  const panel = page.locator('.page-settings');
  await panel.getByText('Checks', { exact: true }).waitFor();
  for (const family of await panel.locator('.page-family').all()) {
    const isOpen = await family.evaluate((details) => (details as HTMLDetailsElement).open);
    if (!isOpen) await family.locator('> summary').click();
  }
  const chosen = await panel.locator('.page-family label:has(input:checked)').allInnerTexts();
  for (const name of chosen.map((text) => text.trim())) {
    if (![...methods, ...checks].includes(name)) await panel.getByRole('checkbox', { name, exact: true }).uncheck();
  }
  for (const name of [...methods, ...checks]) await panel.getByRole('checkbox', { name, exact: true }).check();
  for (const [name, value] of Object.entries(options)) {
    const [method, option] = name.split('.') as [string, string];
    const block = panel.locator('.page-method', { has: page.getByRole('checkbox', { name: method, exact: true }) });
    const details = block.locator('details');
    if (!(await details.evaluate((element) => (element as HTMLDetailsElement).open))) await details.locator('> summary').click();
    await block.getByLabel(option, { exact: true }).fill(value);
  }
}

/** Few windows, so that occlusion is quick. */
export const fewWindows = { 'occlusion.window': '56', 'occlusion.stride': '28' };

/** Many windows, so that occlusion takes a minute or more. */
export const manyWindows = { 'occlusion.window': '12', 'occlusion.stride': '2' };

export const explain = (page: Page) => page.getByRole('button', { name: 'Explain', exact: true }).click();
