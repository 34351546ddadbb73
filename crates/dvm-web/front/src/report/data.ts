import type { ExplanationView, ReportHead } from '../shared/types.ts';

/** The number of entries that are kept unpacked, to go back quickly without using much memory. */
const MOST_KEPT = 8;

/** Reads the head of the report. */
export function readHead(): ReportHead {
  return JSON.parse(textOf('head')) as ReportHead;
}

const kept = new Map<number, ExplanationView>();

/** An entry, parsed from its element when it is needed. */
export function readEntry(id: number): ExplanationView {
  const view = kept.get(id) ?? parseEntry(id);
  // The last used entry is the last one in the `Map`.
  kept.delete(id);
  kept.set(id, view);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
  }
  return view;
}

/** Parses an entry without keeping it. */
export function parseEntry(id: number): ExplanationView {
  return JSON.parse(textOf(`picture-${id}`)) as ExplanationView;
}

function textOf(id: string): string {
  const text = document.getElementById(id)?.textContent;
  if (!text) throw new Error(`the file has no element ${id}; it may be cut off`);
  return text;
}
