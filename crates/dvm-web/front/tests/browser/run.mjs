// npm run browser -- PATH/TO/dvm [--screenshots DIR] [--only WORDS] [FILE …]
//
// Tests of the reports and the page in Chromium, with the program. FILE and
// --only choose some of the tests: by a part of the file's name, by a part of the test's.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';

const { values, positionals } = parseArgs({ options: { screenshots: { type: 'string' }, only: { type: 'string' } }, allowPositionals: true });
const [program, ...files] = positionals;
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
// npm runs this in the project's folder; paths are relative to the folder where npm was called.
const from = process.env.INIT_CWD ?? process.cwd();

const fail = (text) => {
  process.stderr.write(`${text}\n`);
  process.exit(2);
};
if (program === undefined) fail('usage: npm run browser -- PATH/TO/dvm [--screenshots DIR] [--only WORDS] [FILE …]');
process.env.DVM = resolve(from, program);
if (!existsSync(process.env.DVM)) fail(`there is no program ${process.env.DVM}`);
if (!existsSync(chromium)) fail(`there is no browser ${chromium}: install Chromium, or say in CHROMIUM where it is`);
process.env.CHROMIUM = chromium;
if (values.screenshots !== undefined) {
  process.env.SCREENSHOTS = resolve(from, values.screenshots);
  await mkdir(process.env.SCREENSHOTS, { recursive: true });
}

// Vitest sets the exit status.
await startVitest('test', files, {
  config: resolve(import.meta.dirname, 'vitest.config.ts'), run: true, watch: false,
  ...(values.only === undefined ? {} : { testNamePattern: values.only }),
});
