import type { Windows } from './state.ts';

/** A map that is made window by window: a pixel shows the window with the nearest centre, as in finished maps. */
export class Sweep {
  /** The drop of each pixel, row-major; NaN without a window so far. */
  readonly values: Float32Array;
  /** The largest drop or gain so far. */
  reach = 0;
  readonly #rows: number;
  readonly #columns: number;
  /** Squared distance from each pixel to the centre of the window that it shows. */
  readonly #distance: Float32Array;

  constructor([rows, columns]: [number, number]) {
    this.#rows = rows;
    this.#columns = columns;
    this.values = new Float32Array(rows * columns).fill(NaN);
    this.#distance = new Float32Array(rows * columns).fill(Infinity);
  }

  add(windows: Windows): void {
    for (const { rows: [top, bottom], columns: [left, right], drop } of windows) {
      if (!Number.isFinite(drop)) continue;
      this.reach = Math.max(this.reach, Math.abs(drop));
      const middleRow = (top + bottom - 1) / 2;
      const middleColumn = (left + right - 1) / 2;
      for (let row = Math.max(top, 0); row < Math.min(bottom, this.#rows); row++) {
        for (let column = Math.max(left, 0); column < Math.min(right, this.#columns); column++) {
          const at = row * this.#columns + column;
          const distance = (row - middleRow) ** 2 + (column - middleColumn) ** 2;
          // Ties go to the first window, as in finished maps.
          if (distance >= this.#distance[at]!) continue;
          this.#distance[at] = distance;
          this.values[at] = drop;
        }
      }
    }
  }
}
