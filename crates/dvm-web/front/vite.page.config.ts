import { resolve } from 'node:path';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';
import { licence } from './build/licence.ts';
import { browsers, embedded, front, settings } from './build/settings.ts';

/** Builds `embedded/page.html`, `page.js` and `page.css`. */
export default defineConfig({
  ...settings,
  // The server gives them at these addresses.
  base: '/',
  root: resolve(front, 'src/page'),
  plugins: [renamed('index.html', 'page.html')],
  build: {
    target: browsers,
    outDir: embedded,
    // The report is built into the same folder.
    emptyOutDir: false,
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    rolldownOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: 'page.js',
        assetFileNames: 'page[extname]',
      },
    },
  },
  // `npx vite --config vite.page.config.ts` shows the page while it is written; `dvm serve` answers.
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
});

function renamed(from: string, to: string): Plugin {
  return {
    name: 'renamed',
    enforce: 'post',
    generateBundle(_, bundle) {
      const part = bundle[from];
      if (!part) this.error(`the build made no ${from}`);
      part.fileName = to;
      if (part.type === 'asset') part.source = String(part.source).replace('</head>', () => `${licence()}\n</head>`);
    },
  };
}
