/** A window over the crop: rows and columns [from, to). */
export interface Place {
  rows: [number, number];
  columns: [number, number];
}

/** The window of `side` pixels with the centre nearest to a point, inside the picture. */
export function around(row: number, column: number, side: number, [height, width]: [number, number]): Place {
  return { rows: along(row, side, height), columns: along(column, side, width) };
}

export function centre({ rows, columns }: Place): { row: number; column: number } {
  return { row: (rows[0] + rows[1]) / 2, column: (columns[0] + columns[1]) / 2 };
}

/** The window after a key; null if the key does not move it. */
export function movedBy(key: string, far: boolean, place: Place, size: [number, number]): Place | null {
  const step = far ? 10 : 1;
  const steps: Record<string, [number, number]> = {
    ArrowUp: [-step, 0],
    ArrowDown: [step, 0],
    ArrowLeft: [0, -step],
    ArrowRight: [0, step],
  };
  const move = steps[key];
  if (!move) return null;
  const { row, column } = centre(place);
  return around(row + move[0], column + move[1], place.rows[1] - place.rows[0], size);
}

function along(middle: number, side: number, length: number): [number, number] {
  const used = Math.min(side, length);
  const from = Math.min(Math.max(Math.round(middle - used / 2), 0), length - used);
  return [from, from + used];
}
