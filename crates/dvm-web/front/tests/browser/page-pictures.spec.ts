// Adding pictures to the page.
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { beforeAll, expect } from 'vitest';
import { looksRight, step, type Open } from './browser.ts';
import { chooser, finished, settle } from './page-steps.ts';
import { bitmap } from './pictures.ts';
import { cat, coffee, serve, type Serving } from './program.ts';

let server: Serving;
beforeAll(async () => {
  server = await serve('--model', 'squeezenet1_1');
});

async function visit(open: Open): Promise<Page> {
  const page = await open(server.address);
  await settle(page, { methods: ['grad-cam'] });
  return page;
}

const answer = (page: Page) => page.locator('h1').innerText();

step('a picture can be dropped anywhere', async (open) => {
  const page = await visit(open);
  const transfer = await page.evaluateHandle((text) => {
    const held = new DataTransfer();
    held.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], 'dropped.png', { type: 'image/png' }));
    return held;
  }, readFileSync(coffee, 'base64'));
  await page.dispatchEvent('main', 'dragenter', { dataTransfer: transfer });
  await page.getByText('Drop to explain').waitFor();
  await page.dispatchEvent('main', 'drop', { dataTransfer: transfer });
  await finished(page);
  expect(await answer(page)).toBe('espresso');
  await page.getByText('dropped.png').first().waitFor();
});

step('a picture can be pasted', async (open) => {
  const page = await visit(open);
  await page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], 'image.png', { type: 'image/png' }));
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  }, readFileSync(coffee, 'base64'));
  await finished(page);
  expect(await answer(page)).toBe('espresso');
});

step('a picture can be chosen by a button', async (open) => {
  const page = await visit(open);
  const [dialog] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Choose pictures' }).click()]);
  expect(dialog.isMultiple()).toBe(true);
  await dialog.setFiles([coffee]);
  await finished(page);
  expect(await answer(page)).toBe('espresso');
});

step('a picture can be taken with the camera', async (open) => {
  const page = await visit(open);
  await page.getByRole('button', { name: 'Take a picture' }).click();
  const take = page.getByRole('button', { name: 'Take the picture' });
  await page.locator('.page-camera .primary:enabled').waitFor();
  await looksRight(page, 'page camera');
  await take.click();
  await page.getByText(/^camera-\d+\.png$/).first().waitFor();
  await finished(page);
  expect(await page.locator('.page-camera').count()).toBe(0);
});

step('several pictures are explained one after the other', async (open) => {
  const page = await visit(open);
  await chooser(page).setInputFiles([coffee, cat]);
  await expect.poll(() => page.locator('.page-history-title').allInnerTexts(), { timeout: 60_000 }).toEqual(['espresso', 'tiger cat']);
  await expect.poll(() => page.locator('.page-history-methods').allInnerTexts(), { timeout: 60_000 }).toEqual(['Grad-CAM', 'Grad-CAM']);
});

step('a file that is not a picture is an error, and the next picture is explained', async (open) => {
  const page = await open(server.address, { expected: /status of (400|415|422)/ });
  await settle(page, { methods: ['grad-cam'] });
  await chooser(page).setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no picture') });
  const alert = page.getByRole('alert');
  await alert.waitFor();
  expect(await alert.innerText()).toMatch(/^notes\.txt is not in a supported picture format/);
  await looksRight(page, 'page refused');
  await chooser(page).setInputFiles([coffee]);
  await finished(page);
});

step('a picture that is mostly cut off gets a warning', async (open) => {
  const page = await visit(open);
  await chooser(page).setInputFiles({ name: 'strip.bmp', mimeType: 'image/bmp', buffer: bitmap(900, 30, 4) });
  await finished(page);
  expect(await page.locator('.page-run .warnings').innerText()).toMatch(/Warning about the picture: the network sees .* % of this picture/);
});
