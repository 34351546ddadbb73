// Every view of the page at the widths of a desktop, a tablet and a phone.
import { beforeAll } from 'vitest';
import { looks, looksRight, step } from './browser.ts';
import { chooser, fewWindows, finished, settle } from './page-steps.ts';
import { coffee, serve, type Serving } from './program.ts';

let server: Serving;
beforeAll(async () => {
  server = await serve('--model', 'squeezenet1_1', '--model', 'efficientnet_lite0');
});

for (const { width, height, colorScheme } of looks) {
  step(`at ${width} pixels in ${colorScheme} nothing is wider than the window, and axe finds no serious problem`, async (open) => {
    const page = await open(server.address, { viewport: { width, height }, colorScheme, hasTouch: width < 500 });
    const look = (view: string) => looksRight(page, `page ${view} ${width} ${colorScheme}`);
    await page.locator('.page-settings').getByText('Checks', { exact: true }).waitFor();
    await look('start');
    await settle(page, { methods: ['grad-cam', 'occlusion'], options: fewWindows });
    await chooser(page).setInputFiles(coffee);
    await finished(page);
    await look('maps');
    await page.getByRole('button', { name: 'Live window' }).click();
    await page.getByText(/^Computed in/).waitFor();
    await look('window');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.locator('figcaption').nth(1).waitFor();
    await look('compare');
  });
}
