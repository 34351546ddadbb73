import type { Cell } from './cells.ts';
import type { Grid } from './packed.ts';

/** A summary of a map for readers who cannot see it. */
export interface Summary {
  min: number;
  max: number;
  minAt: Cell;
  maxAt: Cell;
  notFinite: number;
  count: number;
}

/** If several pixels have the extreme value, the position is the middle one in reading order. */
export function summarise({ shape, values }: Grid): Summary {
  const columns = shape.at(-1) ?? 1;
  let min = Infinity;
  let max = -Infinity;
  let notFinite = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) notFinite++;
    else {
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (notFinite === values.length) min = max = NaN;
  const place = (extreme: number) => {
    const all: number[] = [];
    values.forEach((value, i) => value === extreme && all.push(i));
    const i = all[all.length >> 1] ?? 0;
    return { row: Math.floor(i / columns), column: i % columns };
  };
  return { min, max, minAt: place(min), maxAt: place(max), notFinite, count: values.length };
}

/** Means over a grid of at most `cells` × `cells` parts of a map; NaN for parts without a finite value. */
export function coarse({ shape, values }: Grid, cells = 8): { rows: [number, number][]; columns: [number, number][]; means: number[][] } {
  const [height = 0, width = 0] = shape;
  const rows = parts(height, cells);
  const columns = parts(width, cells);
  const means = rows.map(([top, bottom]) =>
    columns.map(([left, right]) => {
      let sum = 0;
      let count = 0;
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          const value = values[row * width + column]!;
          if (!Number.isFinite(value)) continue;
          sum += value;
          count++;
        }
      }
      return count === 0 ? NaN : sum / count;
    }),
  );
  return { rows, columns, means };
}

/** Divides `length` into at most `count` parts of similar size, [from, to). */
function parts(length: number, count: number): [number, number][] {
  const used = Math.min(length, count);
  return Array.from({ length: used }, (_, i) => [
    Math.floor((i * length) / used),
    Math.floor(((i + 1) * length) / used),
  ]);
}

const THIRDS = [
  ['top left', 'top', 'top right'],
  ['left', 'centre', 'right'],
  ['bottom left', 'bottom', 'bottom right'],
];

/** The ninth of the picture that contains a position, such as `top left`. */
export function ninth({ row, column }: Cell, [height, width]: [number, number]): string {
  const third = (at: number, length: number) => Math.min(Math.floor((3 * at) / length), 2);
  return THIRDS[third(row, height)]![third(column, width)]!;
}
