import type { Grid } from './packed.ts';
import type { Cells } from './types.ts';

/** A place on a map: row and column of a pixel. */
export interface Cell {
  row: number;
  column: number;
}

/** What a class scored with nothing covered and with one window covered. */
export interface Loss {
  index: number;
  name: string;
  whole: number;
  covered: number;
  /** `whole` − `covered`: positive if the window supports the class. */
  loses: number;
}

/** What each class loses if the window of the map's pixel at `row` and `column` is covered; in the order of the classes. */
export function lossesAt(cells: Cells, values: Grid, { row, column }: Cell): Loss[] {
  const [, rows = 0, columns = 0] = values.shape;
  const cellRow = cells.rows[row];
  const cellColumn = cells.columns[column];
  if (cellRow === undefined || cellColumn === undefined) return [];
  return cells.classes.map(({ index, name, ...klass }, which) => {
    // JSON has no number for infinity, such as the logarithm of 0, and writes null.
    const whole = klass.whole ?? NaN;
    const covered = values.values[(which * rows + cellRow) * columns + cellColumn] ?? NaN;
    return { index, name, whole, covered, loses: whole - covered };
  });
}
