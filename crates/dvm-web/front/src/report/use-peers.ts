import { useEffect, useState } from 'preact/hooks';
import type { Peer } from '../shared/scale.ts';
import type { Entry } from '../shared/types.ts';
import { parseEntry } from './data.ts';

/** How long entries are read before the browser may draw again, in milliseconds. */
const SLICE = 12;

const known = new Map<number, Peer[]>();

/** The scales of all maps of the entries, for a shared scale. Entries are read in slices, once, when `wanted`. */
export function usePeers(entries: Entry[], wanted: boolean): Peer[] {
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
    // An entry that cannot be read says so when it is opened.
    known.set(id, []);
  }
}
