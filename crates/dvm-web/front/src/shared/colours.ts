import type { Colours } from './types.ts';

/** A colour map: 256 colours, three bytes each. */
export interface Palette {
  name: string;
  /** Diverging: with a neutral colour in the middle, for signed values. */
  diverging: boolean;
  table: Uint8Array;
}

export type Rgb = [number, number, number];

/** The colour of values that are not finite; no colour map contains it. */
export const NOT_FINITE: Rgb = [150, 150, 150];

export function readPalettes(colours: Colours): Palette[] {
  return Object.entries(colours).map(([name, { diverging, table }]) => {
    const letters = atob(table);
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    if (bytes.length !== 768) throw new Error(`the colour map ${name} does not have 256 colours`);
    return { name, diverging, table: bytes };
  });
}

/** The colour at a position, 0 … 1, interpolated linearly between the two nearest colours. */
export function colourAt({ table }: Palette, position: number): Rgb {
  const place = Math.min(Math.max(position, 0), 1) * 255;
  const first = Math.min(Math.floor(place), 254);
  const share = place - first;
  const at = (channel: number) => {
    const a = table[3 * first + channel]!;
    const b = table[3 * first + 3 + channel]!;
    return Math.round(a + (b - a) * share);
  };
  return [at(0), at(1), at(2)];
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}
