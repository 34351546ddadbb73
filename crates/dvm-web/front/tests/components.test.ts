import { expect, test } from 'vitest';
import { sizeOf } from '../src/report/ChartSection.tsx';
import { destination } from '../src/report/PictureList.tsx';
import { byAxes, tableOf } from '../src/shared/CurveChart.tsx';
import { numberIn, sorted } from '../src/shared/DataTable.tsx';
import { moved } from '../src/shared/MapCanvas.tsx';
import { flatten } from '../src/shared/Parameters.tsx';

const plain = { shiftKey: false, ctrlKey: false, metaKey: false, altKey: false };

test('arrow keys move the cursor of a map, and stop at its borders', () => {
  const at = { row: 1, column: 8 };
  const press = (key: string, keys = {}) => moved({ ...plain, ...keys, key }, at, [20, 10], { row: 3, column: 4 });
  expect(press('ArrowUp')).toEqual({ row: 0, column: 8 });
  expect(press('ArrowUp', { shiftKey: true })).toEqual({ row: 0, column: 8 });
  expect(press('ArrowDown', { shiftKey: true })).toEqual({ row: 11, column: 8 });
  expect(press('ArrowRight', { shiftKey: true })).toEqual({ row: 1, column: 9 });
  expect(press('Home')).toEqual({ row: 1, column: 0 });
  expect(press('m')).toEqual({ row: 3, column: 4 });
  expect(press('Escape')).toBeNull();
  expect(press('x')).toBeUndefined();
  expect(press('ArrowUp', { altKey: true })).toBeUndefined();
});

test('the first arrow key starts in the middle', () => {
  expect(moved({ ...plain, key: 'ArrowLeft' }, null, [20, 10])).toEqual({ row: 10, column: 4 });
});

test('arrow keys move over the list by rows and columns', () => {
  const go = (key: string, at: number) => destination(key, at, 10, () => 4);
  expect([go('ArrowRight', 3), go('ArrowDown', 3), go('ArrowDown', 7), go('ArrowUp', 2), go('ArrowUp', 6)]).toEqual([4, 7, 7, 2, 2]);
  expect([go('Home', 5), go('End', 5), go('Enter', 5)]).toEqual([0, 9, null]);
});

test('tables sort numbers by value and text in natural order, with empty cells last', () => {
  const rows = [['b10', 10], ['b9', null], ['a', -2]];
  const first = (column: number, descending: boolean) => sorted(rows, { column, descending }).map(([name]) => name);
  expect(first(0, false)).toEqual(['a', 'b9', 'b10']);
  expect(first(1, false)).toEqual(['a', 'b10', 'b9']);
  expect(first(1, true)).toEqual(['b10', 'a', 'b9']);
  expect(sorted(rows, null)).toBe(rows);
});

test('texts in a numeric column are sorted by their first number', () => {
  const texts = ['0.24 ± 0.19', '−0.0074 ± 0.0075', '< 0.001', '96.2 %', '1.5×10⁻⁹', '0.070', '–'];
  expect(texts.map(numberIn)).toEqual([0.24, -0.0074, 0.001, 96.2, 1.5e-9, 0.07, null]);
  const rows = texts.map((text) => [text]);
  expect(sorted(rows, { column: 0, descending: false }, true).map(([text]) => text)).toEqual([
    '−0.0074 ± 0.0075', '1.5×10⁻⁹', '< 0.001', '0.070', '0.24 ± 0.19', '96.2 %', '–',
  ]);
});

test('all parameters are listed', () => {
  const json = { network: { name: 'n', input: [3, 224, 224] }, methods: [{ layer_norm: true }, {}], none: null };
  expect(flatten(json).map(({ path, value }) => `${path}: ${value}`)).toEqual([
    'network › name: n',
    'network › input: 3, 224, 224',
    'methods › 1 › layer norm: yes',
    'methods › 2: none',
    'none: none',
  ]);
  expect(flatten({ points: [[0, 1], [0.5, null]] })).toEqual([{ path: 'points', value: '(0, 1), (0.5, none)' }]);
  expect(flatten({ many: new Array(40).fill(1) })[0]!.value).toMatch(/^1, 1, .*, … \(40 in all\)$/);
});

test('curves with the same axes share a chart, and the table has a row for each position', () => {
  const curve = (name: string, up: string, points: [number, number][]) => ({ name, across: 'share', up, points });
  const a = curve('a', 'p', [[0, 1], [0.5, 2]]);
  const b = curve('b', 'p', [[0.25, 3], [0.5, 4]]);
  const c = curve('c', 'logit', [[0, 1]]);
  expect(byAxes([a, c, b])).toEqual([[a, b], [c]]);
  expect(tableOf([a, b]).rows).toEqual([[0, 1, null], [0.25, null, 3], [0.5, 2, 4]]);
});

test('a chart has the size of its svg tag', () => {
  expect(sizeOf('<?xml version="1.0"?><svg xmlns="x" width="320" height="90.5" viewBox="0 0 1 1"><rect width="7"/></svg>')).toEqual({
    width: 320,
    height: 90.5,
  });
  expect(sizeOf('<svg viewBox="0 0 1 1"><rect width="7" height="8"/></svg>')).toEqual({});
});
