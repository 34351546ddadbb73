// Runs `write.ts`, whose types must be removed first.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

await runnerImport(fileURLToPath(new URL('write.ts', import.meta.url)), { configFile: false, logLevel: 'error' });
