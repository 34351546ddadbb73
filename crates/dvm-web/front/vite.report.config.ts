import { resolve } from 'node:path';
import { defineConfig } from 'vite';
import { browsers, embedded, front, settings } from './build/settings.ts';
import { singleFile } from './build/single-file.ts';

/** Builds `embedded/report.html`: one file, script and style inside. */
export default defineConfig({
  ...settings,
  root: resolve(front, 'src/report'),
  plugins: [singleFile()],
  build: {
    target: browsers,
    outDir: embedded,
    // The page is built into the same folder.
    emptyOutDir: false,
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    rolldownOptions: { output: { format: 'iife' } },
  },
});
