import type { Grid } from './packed.ts';
import type { Cells } from './types.ts';

/** A pixel of a map: row and column. */
export interface Cell {
  row: number;
  column: number;
}

/** The score of a class without and with a covered window. */
export interface Loss {
  index: number;
  name: string;
  whole: number;
  covered: number;
  /** `whole` − `covered`: positive if the window supports the class. */
  loses: number;
}

/** The loss of each class with the window at pixel (`row`, `column`) covered, in the order of the classes. */
export function lossesAt(cells: Cells, values: Grid, { row, column }: Cell): Loss[] {
  const [, rows = 0, columns = 0] = values.shape;
  const cellRow = cells.rows[row];
  const cellColumn = cells.columns[column];
  if (cellRow === undefined || cellColumn === undefined) return [];
  return cells.classes.map(({ index, name, ...klass }, which) => {
    // JSON writes null for infinity, such as the logarithm of 0.
    const whole = klass.whole ?? NaN;
    const covered = values.values[(which * rows + cellRow) * columns + cellColumn] ?? NaN;
    return { index, name, whole, covered, loses: whole - covered };
  });
}
