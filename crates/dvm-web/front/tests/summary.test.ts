import { expect, test } from 'vitest';
import { coarse, ninth, summarise } from '../src/shared/summary.ts';

const grid = (shape: number[], values: number[]) => ({ shape, values: Float32Array.from(values) });

test('a summary has the extremes, their positions and the number of values that are not finite', () => {
  const summary = summarise(grid([2, 3], [1, NaN, -4, 0, 8, 2]));
  expect(summary).toEqual({
    min: -4, max: 8, minAt: { row: 0, column: 2 }, maxAt: { row: 1, column: 1 }, notFinite: 1, count: 6,
  });
});

test('the position of an extreme of many pixels is the middle one', () => {
  expect(summarise(grid([1, 7], [0, 5, 5, 5, 5, 5, 0])).maxAt).toEqual({ row: 0, column: 3 });
});

test('a map without a finite number has no extremes', () => {
  const { min, max, notFinite } = summarise(grid([1, 2], [NaN, NaN]));
  expect([min, max, notFinite]).toEqual([NaN, NaN, 2]);
});

test('means are over parts of similar size, without values that are not finite', () => {
  const found = coarse(grid([2, 5], [1, 3, 5, 7, 9, NaN, 3, NaN, NaN, 3]), 2);
  expect(found.columns).toEqual([[0, 2], [2, 5]]);
  expect(found.rows).toEqual([[0, 1], [1, 2]]);
  expect(found.means).toEqual([[2, 7], [3, 3]]);
  expect(coarse(grid([1, 1], [NaN]), 8).means).toEqual([[NaN]]);
});

test('positions are named by ninths', () => {
  expect(ninth({ row: 0, column: 223 }, [224, 224])).toBe('top right');
  expect(ninth({ row: 112, column: 112 }, [224, 224])).toBe('centre');
  expect(ninth({ row: 90, column: 0 }, [224, 224])).toBe('left');
});
