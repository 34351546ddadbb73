import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { front } from './settings.ts';

/** The licence of Preact as a comment in HTML: it asks to be in every copy of its code. */
export function licence(): string {
  const text = readFileSync(resolve(front, 'node_modules/preact/LICENSE'), 'utf8').trim();
  return `<!--\nContains Preact.\n\n${text}\n-->`;
}
