import type { PictureEntry } from '../shared/types.ts';

/** The filter and order of the list. Empty texts do not filter. */
export interface Selection {
  /** All these words must be in the name, the class or the true class. */
  text: string;
  class: string;
  trueClass: string;
  right: '' | 'right' | 'wrong' | 'unknown';
  warned: boolean;
  sort: Sort;
  descending: boolean;
}

export type Sort = 'order' | 'confidence' | 'class' | 'name';

export const everything: Selection = {
  text: '',
  class: '',
  trueClass: '',
  right: '',
  warned: false,
  sort: 'order',
  descending: false,
};

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

const ORDERS: Record<Sort, (a: PictureEntry, b: PictureEntry) => number> = {
  order: () => 0,
  confidence: (a, b) => a.class.probability - b.class.probability,
  class: (a, b) => collator.compare(a.class.name, b.class.name) || a.class.index - b.class.index,
  name: (a, b) => collator.compare(a.name, b.name),
};

/** The selected entries. Ties keep the order of the report, which `descending` also reverses. */
export function select(entries: PictureEntry[], selection: Selection): PictureEntry[] {
  const words = selection.text.toLowerCase().split(/\s+/).filter(Boolean);
  const selected = entries.filter((entry) => {
    if (selection.class && entry.class.name !== selection.class) return false;
    if (selection.trueClass && entry.trueClass !== selection.trueClass) return false;
    if (selection.right && selection.right !== rightness(entry)) return false;
    if (selection.warned && entry.warnings === 0) return false;
    if (words.length === 0) return true;
    const all = `${entry.name} ${entry.title} ${entry.class.name} ${entry.trueClass ?? ''}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  selected.sort(ORDERS[selection.sort]);
  return selection.descending ? selected.reverse() : selected;
}

export function rightness({ right }: PictureEntry): 'right' | 'wrong' | 'unknown' {
  return right === null ? 'unknown' : right ? 'right' : 'wrong';
}

/** Shortens names: removes the folders that all of them start with. */
export function shortener(names: string[]): (name: string) => string {
  const folders = names.map((name) => name.split(/[/\\]/).slice(0, -1));
  const first = folders[0] ?? [];
  let common = 0;
  while (common < first.length && folders.every((folder) => folder[common] === first[common])) common++;
  return (name) => name.split(/[/\\]/).slice(common).join('/');
}

/** The distinct names of the entries, sorted, with their counts. */
export function namesOf(entries: PictureEntry[], name: (entry: PictureEntry) => string | null): { name: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const entry of entries) {
    const found = name(entry);
    if (found !== null) counts.set(found, (counts.get(found) ?? 0) + 1);
  }
  return [...counts]
    .map(([found, count]) => ({ name: found, count }))
    .sort((a, b) => collator.compare(a.name, b.name));
}
