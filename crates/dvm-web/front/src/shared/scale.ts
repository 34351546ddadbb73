import { NOT_FINITE, colourAt, type Palette, type Rgb } from './colours.ts';
import type { MapView, Scale } from './types.ts';

/** The line from numbers to colours: `low` takes the first colour, `high` the last. */
export interface MapScale {
  low: number;
  high: number;
  neutral: Scale['neutral'];
  palette: Palette;
}

const NEUTRAL = { low: 0, middle: 0.5, high: 1 } as const;

/** Colour maps that fit a scale: only those with a neutral middle where the middle says nothing, and no other elsewhere. */
export function choices(palettes: Palette[], scale: Scale): Palette[] {
  return palettes.filter((palette) => palette.diverging === isDiverging(scale));
}

export function isDiverging(scale: Pick<Scale, 'neutral'>): boolean {
  return scale.neutral === 'middle';
}

/** The scale with the chosen colour map, or its own if none is chosen or the chosen one does not fit. */
export function makeScale(scale: Scale, palettes: Palette[], chosen: string | null = null): MapScale {
  const fitting = choices(palettes, scale);
  const palette =
    fitting.find(({ name }) => name === chosen) ??
    palettes.find(({ name }) => name === scale.colours) ??
    fitting[0];
  if (!palette) throw new Error(`there is no colour map named ${scale.colours}`);
  return { low: scale.low, high: scale.high, neutral: scale.neutral, palette };
}

/**
 * Where a number is on the scale: 0 at the low end, 1 at the high one, those outside at the nearer end; null if it
 * is not finite. A scale without length puts everything at its neutral place.
 */
export function position({ low, high, neutral }: Omit<MapScale, 'palette'>, value: number): number | null {
  if (!Number.isFinite(value)) return null;
  if (high <= low) return NEUTRAL[neutral];
  return Math.min(Math.max((value - low) / (high - low), 0), 1);
}

export function colourOf(scale: MapScale, value: number): Rgb {
  const place = position(scale, value);
  return place === null ? NOT_FINITE : colourAt(scale.palette, place);
}

/** How much a number says: 0 at the neutral place, 1 at the end farthest from it, and 1 if it is not finite, so that it is seen. */
export function strength(scale: Omit<MapScale, 'palette'>, value: number): number {
  const place = position(scale, value);
  if (place === null) return 1;
  const neutral = NEUTRAL[scale.neutral];
  return Math.abs(place - neutral) / Math.max(neutral, 1 - neutral);
}

/** What must be known of a map for its scale to be shared. */
export type Peer = Pick<MapView, 'quantity' | 'scale'>;

/** One scale for all maps that hold the same quantity as `map`; the middle of a signed one stays at zero. */
export function spanning(map: Peer, peers: Peer[]): Scale {
  let { low, high } = map.scale;
  for (const { quantity, scale } of peers) {
    if (quantity !== map.quantity || scale.neutral !== map.scale.neutral) continue;
    low = Math.min(low, scale.low);
    high = Math.max(high, scale.high);
  }
  if (isDiverging(map.scale)) {
    const reach = Math.max(-low, high);
    [low, high] = [-reach, reach];
  }
  return { ...map.scale, low, high };
}
