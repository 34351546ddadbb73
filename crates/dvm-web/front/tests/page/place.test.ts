import { expect, test } from 'vitest';
import { around, centre, movedBy } from '../../src/page/place.ts';

test('a window stays inside the picture and keeps its size', () => {
  expect(around(0, 0, 10, [20, 30])).toEqual({ rows: [0, 10], columns: [0, 10] });
  expect(around(20, 30, 10, [20, 30])).toEqual({ rows: [10, 20], columns: [20, 30] });
  expect(around(10, 15, 10, [20, 30])).toEqual({ rows: [5, 15], columns: [10, 20] });
  expect(around(5, 5, 50, [20, 30])).toEqual({ rows: [0, 20], columns: [0, 30] });
});

test('arrow keys move the window by one pixel, with Shift by ten, and not over the edge', () => {
  const place = around(10, 15, 5, [20, 30]);
  const { row, column } = centre(place);
  expect(centre(movedBy('ArrowDown', false, place, [20, 30])!)).toEqual({ row: row + 1, column });
  expect(centre(movedBy('ArrowLeft', true, place, [20, 30])!)).toEqual({ row, column: column - 10 });
  expect(movedBy('ArrowDown', true, place, [20, 30])!.rows).toEqual([15, 20]);
  expect(movedBy('a', false, place, [20, 30])).toBeNull();
});
