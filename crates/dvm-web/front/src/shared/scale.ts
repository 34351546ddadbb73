import { NOT_FINITE, colourAt, type Palette, type Rgb } from './colours.ts';
import type { MapView, Scale } from './types.ts';

/** A colour scale: `low` has the first colour, `high` the last. */
export interface MapScale {
  low: number;
  high: number;
  neutral: Scale['neutral'];
  palette: Palette;
}

const NEUTRAL = { low: 0, middle: 0.5, high: 1 } as const;

/** Colour maps that fit a scale: diverging ones if its neutral value is in the middle, otherwise sequential ones. */
export function choices(palettes: Palette[], scale: Scale): Palette[] {
  return palettes.filter((palette) => palette.diverging === isDiverging(scale));
}

export function isDiverging(scale: Pick<Scale, 'neutral'>): boolean {
  return scale.neutral === 'middle';
}

/** The scale with the chosen colour map, or with its own if none is chosen or the chosen one does not fit. */
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
 * The position of a number on the scale: 0 at the low end, 1 at the high end, clipped to these; null if the number
 * is not finite. On a scale without length, everything is at the neutral position.
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

/** The strength of a number: 0 at the neutral position, 1 at the end farthest from it, and 1 if it is not finite, so that it is visible. */
export function strength(scale: Omit<MapScale, 'palette'>, value: number): number {
  const place = position(scale, value);
  if (place === null) return 1;
  const neutral = NEUTRAL[scale.neutral];
  return Math.abs(place - neutral) / Math.max(neutral, 1 - neutral);
}

/** The data of a map that a shared scale needs. */
export type Peer = Pick<MapView, 'quantity' | 'scale'>;

/** One scale for all maps with the same quantity as `map`; the middle of a signed scale stays at zero. */
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
