import { NOT_FINITE } from './colours.ts';
import { position, strength, type MapScale } from './scale.ts';

/** How a map is drawn over its picture. */
export interface Look {
  mode: Mode;
  /** Opacity of the map, 0 … 1; in the mode `colour`, that of its strongest values. */
  opacity: number;
}

export type Mode =
  /** The map with uniform opacity over the grey picture. */
  | 'overlay'
  /** The map over the colour picture; stronger values are more opaque. */
  | 'colour'
  | 'map'
  | 'picture';

/** Pixels as in `ImageData`: four bytes each. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

/**
 * Writes the pixels of a map over its picture into `target`, which has the picture's size.
 *
 * Without a picture, writes only the map; without a map, only the picture.
 */
export function paint(
  target: Pixels,
  picture: Pixels | null,
  map: { values: Float32Array; scale: MapScale } | null,
  look: Look,
): void {
  const mode = !map ? 'picture' : !picture ? 'map' : look.mode;
  const out = target.data;
  if (mode === 'picture') {
    if (picture) out.set(picture.data);
    else out.fill(0);
    return;
  }
  const { values, scale } = map!;
  const { table } = scale.palette;
  const below = picture?.data;
  const fixed = mode === 'map' ? 1 : look.opacity;
  for (let i = 0, at = 0; i < values.length; i++, at += 4) {
    const value = values[i]!;
    const place = position(scale, value);
    const opacity = mode === 'colour' ? look.opacity * strength(scale, value) : fixed;
    // Like `colourAt`, but without an array for each pixel.
    const exact = (place ?? 0) * 255;
    const first = Math.min(Math.floor(exact), 254);
    const share = exact - first;
    const grey = mode === 'overlay' ? luma(below![at]!, below![at + 1]!, below![at + 2]!) : 0;
    for (let channel = 0; channel < 3; channel++) {
      const a = table[3 * first + channel]!;
      const colour =
        place === null ? NOT_FINITE[channel]! : Math.round(a + (table[3 * first + 3 + channel]! - a) * share);
      const under = mode === 'overlay' ? grey : mode === 'colour' ? below![at + channel]! : 0;
      out[at + channel] = Math.round(under + (colour - under) * opacity);
    }
    out[at + 3] = 255;
  }
}

/** Grey by ITU-R BT.601, in the integer arithmetic of Pillow's mode `L`. */
export function luma(red: number, green: number, blue: number): number {
  return (red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16;
}

/** Draws a line between neighbouring pixels of different segments. */
export function paintBorders(target: Pixels, segments: Float32Array): void {
  const { width, height, data } = target;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const i = row * width + column;
      const other =
        (column + 1 < width && segments[i] !== segments[i + 1]) ||
        (row + 1 < height && segments[i] !== segments[i + width]);
      if (!other) continue;
      // Black on bright pixels and white on dark ones.
      const shade = luma(data[4 * i]!, data[4 * i + 1]!, data[4 * i + 2]!) > 127 ? 0 : 255;
      data.fill(shade, 4 * i, 4 * i + 3);
      data[4 * i + 3] = 255;
    }
  }
}
