// Every view of the page, in the widths of a desk, a tablet and a phone.
import { beforeAll } from 'vitest';
import { looks, looksRight, step } from './browser.ts';
import { chooser, fewWindows, finished, settle } from './page-steps.ts';
import { coffee, serve, type Serving } from './program.ts';

let server: Serving;
beforeAll(async () => {
  server = await serve('--model', 'squeezenet1_1', '--model', 'efficientnet_lite0');
});

for (const { width, height, colorScheme } of looks) {
  step(`at ${width} pixels in ${colorScheme} nothing sticks out, and axe finds nothing serious`, async (open) => {
    const page = await open(server.address, { viewport: { width, height }, colorScheme, hasTouch: width < 500 });
    const look = (view: string) => looksRight(page, `page ${view} ${width} ${colorScheme}`);
    await page.locator('.page-settings').getByText('Checks', { exact: true }).waitFor();
    await look('start');
    await settle(page, { methods: ['grad-cam', 'occlusion'], options: fewWindows });
    await chooser(page).setInputFiles(coffee);
    await finished(page);
    await look('maps');
    await page.getByRole('button', { name: 'Live window' }).click();
    await page.getByText(/^Answered in/).waitFor();
    await look('window');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.locator('figcaption').nth(1).waitFor();
    await look('compare');
  });
}
