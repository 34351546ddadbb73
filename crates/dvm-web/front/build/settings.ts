import { resolve } from 'node:path';
import type { UserConfig } from 'vite';

/** Browsers of spring 2023 on: the first that all have `DecompressionStream`. */
export const browsers = ['chrome111', 'edge111', 'firefox113', 'safari16.4'];

export const front = resolve(import.meta.dirname, '..');

/** Where Rust embeds the results from. */
export const embedded = resolve(front, '../embedded');

/** What both builds share. Preact's JSX needs no plugin. */
export const settings = {
  base: './',
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
} satisfies UserConfig;
