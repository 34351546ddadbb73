// A server that needs a token, is busy, or cannot be reached.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { looksRight, step } from './browser.ts';
import { chooser, explain, finished, manyWindows, settle } from './page-steps.ts';
import { coffee, folder, metric, serve } from './program.ts';

const NETWORK = ['--model', 'squeezenet1_1'];
const work = folder();

step('the page asks for a token: a wrong one is refused, the right one works', async (open) => {
  const file = join(work, 'token');
  writeFileSync(file, 'the-right-token-of-this-test\n');
  const server = await serve(...NETWORK, '--token-file', file);
  expect((await fetch(`${server.address}api/info`)).status, 'the server answers nothing without the token').toBe(401);
  const page = await open(server.address, { expected: /status of 401/ });
  const field = page.getByLabel('Token', { exact: true });
  await field.fill('a-wrong-token-of-this-test');
  await looksRight(page, 'page token');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('The server did not accept that token.').waitFor();
  expect(await page.getByRole('button', { name: 'Choose pictures' }).isEnabled()).toBe(false);
  await field.fill('the-right-token-of-this-test');
  await page.keyboard.press('Enter');
  await settle(page, { methods: ['grad-cam'] });
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  // Downloads send the token.
  await page.getByText('Download', { exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'PNG: figure' }).click()]);
  expect(download.suggestedFilename()).toBe('coffee-figure.png');
});

step('the page shows that a server is busy, and tries again', async (open) => {
  const server = await serve(...NETWORK, '--queue', '1');
  const page = await open(server.address, { expected: /status of 429/ });
  await settle(page, { methods: ['grad-cam'] });
  // Two other requests: one runs, one waits.
  const added = await fetch(`${server.address}api/pictures?name=other.png`, {
    method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: readFileSync(coffee),
  });
  const { id } = (await added.json()) as { id: string };
  const others = new AbortController();
  const body = JSON.stringify({ picture: id, model: 'squeezenet1_1', methods: ['occlusion'], options: manyWindows });
  const taken = [1, 2].map(() => fetch(`${server.address}api/explain`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body, signal: others.signal }));
  for (const answer of await Promise.all(taken)) expect(answer.status).toBe(200);
  const places = () => metric(server, 'dvm_queue_length{lane="long"}');
  expect(await places()).toBe(2);
  await chooser(page).setInputFiles(coffee);
  await page.getByText(/^The server is busy\. Trying again in \d+ s\.$/).waitFor();
  await looksRight(page, 'page server is busy');
  expect(await metric(server, 'dvm_queue_refused_total')).toBeGreaterThan(0);
  others.abort();
  await finished(page);
  expect(await page.locator('h1').innerText()).toBe('espresso');
});

step('the page shows that a server is gone, and works again when it is back', async (open) => {
  const server = await serve(...NETWORK);
  const page = await open(server.address, { expected: /status of 404|ERR_CONNECTION_REFUSED/ });
  await settle(page, { methods: ['grad-cam'] });
  await chooser(page).setInputFiles(coffee);
  await finished(page);
  await server.kill();
  await settle(page, { methods: ['guided-backprop'] });
  await explain(page);
  const alert = page.getByRole('alert');
  await alert.getByText('The server cannot be reached. Is `dvm serve` still running?').waitFor();
  await looksRight(page, 'page server is gone');
  await page.getByRole('button', { name: 'Live window' }).click();
  await page.getByText(/cannot be|can move the window/).first().waitFor();
  await page.getByRole('button', { name: 'Maps', exact: true }).click();
  await serve(...NETWORK, '--port', server.port);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('figcaption', { hasText: 'guided backprop' }).waitFor();
  await finished(page);
  // Earlier explanations are still shown.
  await page.locator('.page-history-open').nth(1).click();
  await page.locator('figcaption', { hasText: 'Grad-CAM' }).waitFor();
});
