// Runs `write.ts`, which needs its types taken away first.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

await runnerImport(fileURLToPath(new URL('write.ts', import.meta.url)), { configFile: false, logLevel: 'error' });
