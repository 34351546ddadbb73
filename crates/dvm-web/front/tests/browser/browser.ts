import { mkdtemp, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, expect, inject, test } from 'vitest';

let browser: Promise<Browser> | null = null;
afterAll(async () => (await browser)?.close());

export interface Opened extends BrowserContextOptions {
  /** Expected messages of the console, such as error answers of the server. */
  expected?: RegExp;
  /** Permissions of the browser. */
  permissions?: string[];
}

/** Opens an address or a file in a new browser context. */
export type Open = (where: string, settings?: Opened) => Promise<Page>;

/**
 * A test in the browser.
 *
 * It also fails if a page throws, complains on the console, breaks its Content-Security-Policy, opens a dialogue, or
 * asks anything of another place than where it came from. A test that fails leaves a picture of each page.
 */
export function step(name: string, act: (open: Open) => Promise<void>): void {
  test(name, async () => {
    const pages: Page[] = [];
    const problems: string[] = [];
    const open: Open = async (where, { expected, permissions, ...settings } = {}) => {
      browser ??= chromium.connect(inject('chromium'));
      const context = await (await browser).newContext({
        viewport: { width: 1440, height: 900 }, colorScheme: 'light', reducedMotion: 'reduce',
        // A report needs no connection; a page uses only its server.
        offline: where.startsWith('file:'), ...settings,
      });
      context.setDefaultTimeout(20_000);
      if (permissions) await context.grantPermissions(permissions);
      const page = await context.newPage();
      pages.push(page);
      watch(page, where, problems, expected);
      await page.goto(where);
      return page;
    };
    try {
      await act(open);
      expect(problems, 'no other request, exception or console message').toEqual([]);
    } catch (error) {
      const files = await Promise.all(pages.map((page, i) => pictured(page, `failed ${name} ${i + 1}`)));
      if (error instanceof Error) error.message += `\n${[...problems, ...files.map((file) => `screenshot: ${file}`)].join('\n')}`;
      throw error;
    } finally {
      for (const page of pages) await page.context().close();
    }
  });
}

function watch(page: Page, where: string, problems: string[], expected: RegExp | undefined): void {
  const { protocol, host, pathname } = new URL(where);
  page.on('pageerror', (error) => problems.push(`thrown: ${error.stack ?? error.message}`));
  page.on('dialog', (dialog) => {
    problems.push(`dialogue: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // A violation of the policy is an error, too.
    if (message.type() === 'error' && !expected?.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.protocol === 'data:' || asked.protocol === 'blob:') return;
    const isOwn = asked.protocol === protocol && asked.host === host && (protocol !== 'file:' || asked.pathname === pathname);
    if (!isOwn) problems.push(`request elsewhere: ${request.url()}`);
  });
}

let shots: Promise<string> | null = null;

/** Takes a screenshot of the whole page; returns its file. */
export async function pictured(page: Page, name: string): Promise<string> {
  shots ??= process.env.SCREENSHOTS
    ? mkdir(process.env.SCREENSHOTS, { recursive: true }).then(() => process.env.SCREENSHOTS!)
    : mkdtemp(join(tmpdir(), 'dvm-browser-failed-'));
  const path = join(await shots, `${name.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 100)}.png`);
  await page.screenshot({ path, fullPage: true });
  return path;
}

/** The tested windows and themes: a theme changes only colours, a width only the layout. */
export const looks = [
  { width: 1440, height: 900, colorScheme: 'light' },
  { width: 768, height: 1024, colorScheme: 'light' },
  { width: 390, height: 844, colorScheme: 'dark' },
] as const;

/** Fails if axe finds a serious or critical problem, or if the page is wider than the window. */
export async function looksRight(page: Page, what: string): Promise<void> {
  await fits(page, what);
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(
    serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`),
    `axe finds no serious or critical problem: ${what}`,
  ).toEqual([]);
}

/** Fails if the page is wider than the window; can take a screenshot. */
export async function fits(page: Page, what: string): Promise<void> {
  if (process.env.SCREENSHOTS) await pictured(page, what);
  const { wanted, width } = await page.evaluate(() => ({ wanted: document.documentElement.scrollWidth, width: innerWidth }));
  expect(wanted, `${what} is not wider than the window of ${width} pixels`).toBeLessThanOrEqual(width);
}

/** Unfolds everything. */
export async function unfold(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
}

/** The pixels of a canvas: four bytes each, row-major. */
export async function pixelsOf(page: Page, selector: string): Promise<Buffer> {
  const text = await page.locator(selector).first().evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return btoa(data.reduce((letters, byte) => letters + String.fromCharCode(byte), ''));
  });
  return Buffer.from(text, 'base64');
}

/** The position on the page of the centre of a pixel of the large map. */
export async function placeOf(page: Page, map: string, row: number, column: number): Promise<{ x: number; y: number }> {
  const canvas = page.locator(`${map} canvas.map-pixels`);
  await canvas.scrollIntoViewIfNeeded();
  const box = (await canvas.boundingBox())!;
  const [rows, columns] = await canvas.evaluate((element) => [(element as HTMLCanvasElement).height, (element as HTMLCanvasElement).width]);
  return { x: box.x + ((column + 0.5) / columns!) * box.width, y: box.y + ((row + 0.5) / rows!) * box.height };
}

export const LARGE = '.viewer-large';

/** The text about a pixel of the large map under the mouse. */
export async function readAt(page: Page, row: number, column: number): Promise<string> {
  const { x, y } = await placeOf(page, LARGE, row, column);
  await page.mouse.move(x, y);
  const said = page.locator('.reading p[role=status]', { hasText: `Row ${row}, column ${column}:` });
  return said.innerText();
}
