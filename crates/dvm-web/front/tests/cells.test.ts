import { expect, test } from 'vitest';
import { lossesAt } from '../src/shared/cells.ts';
import type { Grid } from '../src/shared/packed.ts';
import type { Cells } from '../src/shared/types.ts';
import { pack } from './made/encode.ts';

// A map of 3 × 4 pixels over 2 × 2 cells, with the scores of two classes.
const values: Grid = { shape: [2, 2, 2], values: Float32Array.of(0.5, 0.25, 0.75, 1, 0.125, 0.5, 0.25, 0) };
const cells: Cells = {
  rows: [0, 1, 1],
  columns: [0, 0, 1, 1],
  score: 'probability',
  classes: [
    { index: 7, name: 'tabby', whole: 0.75 },
    { index: 9, name: 'lynx', whole: 0.25 },
  ],
  values: pack(values.values, [2, 2, 2], 8),
};

test('the loss of a class is its score without the window minus its score with the window', () => {
  // Row 0, column 3 is cell (0, 1): tabby 0.75 − 0.25, lynx 0.25 − 0.5.
  expect(lossesAt(cells, values, { row: 0, column: 3 })).toEqual([
    { index: 7, name: 'tabby', whole: 0.75, covered: 0.25, loses: 0.5 },
    { index: 9, name: 'lynx', whole: 0.25, covered: 0.5, loses: -0.25 },
  ]);
  // Row 2, column 2 is cell (1, 1): tabby gains, lynx loses all.
  expect(lossesAt(cells, values, { row: 2, column: 2 }).map(({ name, loses }) => [name, loses])).toEqual([
    ['tabby', -0.25],
    ['lynx', 0.25],
  ]);
});

test('an unknown loss is NaN', () => {
  const json = JSON.parse('{"index": 7, "name": "tabby", "whole": null}') as (typeof cells.classes)[number];
  const losses = lossesAt({ ...cells, classes: [json, cells.classes[1]!] }, values, { row: 0, column: 3 });
  expect(losses.map(({ name, loses }) => [name, loses])).toEqual([['tabby', NaN], ['lynx', -0.25]]);
});

test('outside the map there are no losses', () => {
  expect(lossesAt(cells, values, { row: 3, column: 0 })).toEqual([]);
});
