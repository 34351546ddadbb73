import { expect, test } from 'vitest';
import { Sweep } from '../../src/page/sweep.ts';

const nearest = (windows: [number, number][], pixel: number) => {
  let best = -1;
  windows.forEach(([from, to], i) => {
    const distance = (at: [number, number]) => Math.abs(pixel - (at[0] + at[1] - 1) / 2);
    if (pixel < from || pixel >= to) return;
    if (best < 0 || distance(windows[i]!) < distance(windows[best]!)) best = i;
  });
  return best;
};

test('a pixel shows the nearest window that covers it, however windows are grouped', () => {
  const windows: [number, number][] = [[0, 4], [2, 6], [4, 8], [6, 9]];
  const all = windows.flatMap((rows, i) => windows.map((columns, k) => ({ rows, columns, drop: 10 * i + k })));
  for (const part of [1, 3, 16]) {
    const sweep = new Sweep([9, 9]);
    for (let from = 0; from < all.length; from += part) sweep.add(all.slice(from, from + part));
    for (let row = 0; row < 9; row++) {
      for (let column = 0; column < 9; column++) {
        expect(sweep.values[row * 9 + column]).toBe(10 * nearest(windows, row) + nearest(windows, column));
      }
    }
    expect(sweep.reach).toBe(33);
  }
});

test('pixels without a window and drops that are not numbers are empty', () => {
  const sweep = new Sweep([2, 3]);
  sweep.add([{ rows: [0, 1], columns: [0, 2], drop: -0.5 }, { rows: [1, 2], columns: [0, 1], drop: NaN }]);
  expect([...sweep.values]).toEqual([-0.5, -0.5, NaN, NaN, NaN, NaN]);
  expect(sweep.reach).toBe(0.5);
});

test('windows that reach over the edge are cut', () => {
  const sweep = new Sweep([2, 2]);
  sweep.add([{ rows: [-1, 1], columns: [1, 5], drop: 1 }]);
  expect([...sweep.values]).toEqual([NaN, 1, NaN, NaN]);
});
