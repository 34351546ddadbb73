import type { ExplanationView, ReportHead } from '../shared/types.ts';

/** How many entries are kept unpacked: going back and forth is quick, and memory stays small. */
const MOST_KEPT = 8;

/** Reads what Rust wrote into the file. */
export function readHead(): ReportHead {
  return JSON.parse(textOf('head')) as ReportHead;
}

const kept = new Map<number, ExplanationView>();

/** An entry, read from its element when it is asked for. */
export function readEntry(id: number): ExplanationView {
  const view = kept.get(id) ?? parseEntry(id);
  // The last used is the last in the order of a `Map`.
  kept.delete(id);
  kept.set(id, view);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
  }
  return view;
}

/** An entry that is only read through and not kept. */
export function parseEntry(id: number): ExplanationView {
  return JSON.parse(textOf(`picture-${id}`)) as ExplanationView;
}

function textOf(id: string): string {
  const text = document.getElementById(id)?.textContent;
  if (!text) throw new Error(`the file has no element ${id}: it may be cut off`);
  return text;
}
