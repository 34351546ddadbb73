import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { settings } from '../../build/settings.ts';

export default defineConfig({
  ...settings,
  root: resolve(import.meta.dirname, '../..'),
  test: {
    include: ['tests/browser/*.spec.ts'],
    globalSetup: [resolve(import.meta.dirname, 'chromium.ts')],
    // One network and one browser at a time.
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    reporters: ['verbose'],
  },
});
