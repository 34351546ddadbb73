import { useEffect, useState } from 'preact/hooks';
import type { Peer } from '../shared/scale.ts';
import type { PictureEntry } from '../shared/types.ts';
import { parseEntry } from './data.ts';

/** Milliseconds of reading entries before the browser can draw again. */
const SLICE = 12;

const known = new Map<number, Peer[]>();

/** The scales of all maps of the entries, for a shared scale. If `wanted`, entries are read once, in slices. */
export function usePeers(entries: PictureEntry[], wanted: boolean): Peer[] {
  const [peers, setPeers] = useState<Peer[]>([]);
  useEffect(() => {
    if (!wanted) return;
    let timer = 0;
    const read = (from: number) => {
      const end = performance.now() + SLICE;
      let next = from;
      while (next < entries.length && performance.now() < end) remember(entries[next++]!.id);
      if (next < entries.length) timer = window.setTimeout(read, 0, next);
      else setPeers(entries.flatMap(({ id }) => known.get(id) ?? []));
    };
    read(0);
    return () => clearTimeout(timer);
  }, [entries, wanted]);
  return wanted ? peers : none;
}

const none: Peer[] = [];

function remember(id: number): void {
  if (known.has(id)) return;
  try {
    known.set(id, parseEntry(id).maps.map(({ quantity, scale }) => ({ quantity, scale })));
  } catch {
    // An entry that cannot be read shows an error when it is opened.
    known.set(id, []);
  }
}
