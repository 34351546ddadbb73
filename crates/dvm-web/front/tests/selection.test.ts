import { expect, test } from 'vitest';
import { readPlace, writePlace } from '../src/report/address.ts';
import { everything, namesOf, select, shortener, type Selection } from '../src/report/selection.ts';
import type { PictureEntry } from '../src/shared/types.ts';

const entries: PictureEntry[] = [
  entry(0, 'b10.jpg', 'tabby', 0.9, 'tabby', 0),
  entry(1, 'b9.jpg', 'lynx', 0.5, 'tabby', 2),
  entry(2, 'A1.jpg', 'tabby', 0.7, null, 1),
  entry(3, 'c.jpg', 'Egyptian cat', 0.5, 'Egyptian cat', 0),
];
const ids = (selection: Partial<Selection>) => select(entries, { ...everything, ...selection }).map(({ id }) => id);

test('everything is in the order of the report', () => {
  expect(ids({})).toEqual([0, 1, 2, 3]);
  expect(ids({ descending: true })).toEqual([3, 2, 1, 0]);
});

test('all words of the text must be found, in any case, in name, class or true class', () => {
  expect(ids({ text: 'TABBY' })).toEqual([0, 1, 2]);
  expect(ids({ text: 'tabby b9' })).toEqual([1]);
  expect(ids({ text: ' cat ' })).toEqual([3]);
  expect(ids({ text: 'dog' })).toEqual([]);
});

test('filters by class, true class, prediction and warnings', () => {
  expect(ids({ class: 'tabby' })).toEqual([0, 2]);
  expect(ids({ trueClass: 'tabby' })).toEqual([0, 1]);
  expect(ids({ right: 'right' })).toEqual([0, 3]);
  expect(ids({ right: 'wrong' })).toEqual([1]);
  expect(ids({ right: 'unknown' })).toEqual([2]);
  expect(ids({ warned: true })).toEqual([1, 2]);
  expect(ids({ warned: true, class: 'tabby' })).toEqual([2]);
});

test('sorts by confidence, class and name, and ties keep their order', () => {
  expect(ids({ sort: 'confidence' })).toEqual([1, 3, 2, 0]);
  expect(ids({ sort: 'class' })).toEqual([3, 1, 0, 2]);
  // 9 comes before 10, and A before b.
  expect(ids({ sort: 'name' })).toEqual([2, 1, 0, 3]);
});

test('names in the filter are sorted and counted', () => {
  expect(namesOf(entries, ({ trueClass }) => trueClass)).toEqual([
    { name: 'Egyptian cat', count: 1 },
    { name: 'tabby', count: 2 },
  ]);
});

test('short names leave out the common folders', () => {
  const short = (...names: string[]) => names.map(shortener(names));
  expect(short('/data/pets/a/1.jpg', '/data/pets/b/1.jpg')).toEqual(['a/1.jpg', 'b/1.jpg']);
  expect(short('pets/1.jpg', 'pets/10.jpg')).toEqual(['1.jpg', '10.jpg']);
  expect(short('1.jpg', 'pets/1.jpg')).toEqual(['1.jpg', 'pets/1.jpg']);
  expect(short('C:\\pets\\1.jpg')).toEqual(['1.jpg']);
});

test('the address has the open entry and the selection', () => {
  const selection: Selection = {
    text: 'a & b=#?', class: 'tiger cat', trueClass: 'é', right: 'wrong', warned: true, sort: 'name', descending: true,
  };
  for (const place of [
    { open: 12, selection },
    { open: null, selection },
    { open: 0, selection: everything },
  ]) {
    expect(readPlace(writePlace(place))).toEqual(place);
  }
  expect(writePlace({ open: 12, selection: everything })).toBe('#picture-12');
});

test('an unknown address opens the whole list', () => {
  for (const hash of ['', '#', '#content', '#picture-x', '#picture-?sort=size&right=maybe']) {
    expect(readPlace(hash)).toEqual({ open: null, selection: everything });
  }
});

function entry(id: number, name: string, klass: string, probability: number, trueClass: string | null, warnings: number): PictureEntry {
  return {
    id, name, title: klass, class: { index: id, name: klass, probability }, trueClass,
    right: trueClass === null ? null : trueClass === klass, warnings, methods: [], group: null, thumbnail: '',
  };
}
