import { describe, expect, test } from 'vitest';
import { NOT_FINITE, colourAt, readPalettes, type Palette } from '../src/shared/colours.ts';
import { choices, colourOf, makeScale, position, spanning, strength } from '../src/shared/scale.ts';
import type { Scale } from '../src/shared/types.ts';
import { lines } from './made/report.ts';

const palettes = readPalettes({
  'blue-white-red': lines(true, [[0, 0, 255], [255, 255, 255], [255, 0, 0]]),
  rdbu: lines(true, [[5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247], [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31]]),
  ylgnbu: lines(false, [[255, 255, 217], [237, 248, 177], [199, 233, 180], [127, 205, 187], [65, 182, 196], [29, 145, 192], [34, 94, 168], [37, 52, 148], [8, 29, 88]]),
});
const named = (name: string): Palette => palettes.find((palette) => palette.name === name)!;

describe('positions on a scale', () => {
  const scale = { low: -2, high: 2, neutral: 'middle' } as const;

  test('are from 0 to 1, and numbers outside are at the nearer end', () => {
    expect([-2, -1, 0, 1, 2, 7, -9].map((value) => position(scale, value))).toEqual([0, 0.25, 0.5, 0.75, 1, 1, 0]);
  });

  test('are null for numbers that are not finite', () => {
    expect([NaN, Infinity, -Infinity].map((value) => position(scale, value))).toEqual([null, null, null]);
  });

  test('are neutral on a scale without length', () => {
    const flat = (neutral: Scale['neutral']) => position({ low: 3, high: 3, neutral }, 3);
    expect([flat('low'), flat('middle'), flat('high')]).toEqual([0, 0.5, 1]);
  });
});

test('strength grows from the neutral position', () => {
  // As in the Rust test of the same name.
  const signed = { low: -2, high: 2, neutral: 'middle' } as const;
  expect([-2, 0, 1].map((value) => strength(signed, value))).toEqual([1, 0, 0.5]);
  const covered = { low: 0, high: 1, neutral: 'high' } as const;
  expect([0, 0.75, 1].map((value) => strength(covered, value))).toEqual([1, 0.25, 0]);
  expect(strength(signed, NaN)).toBe(1);
});

describe('colours', () => {
  test('of the ends and of a quarter are as in the figures of dvm', () => {
    // RdBu at 0.25 is halfway between (67 147 195) and (146 197 222): (106.5 172 208.5), each to one unit.
    expect(colourAt(named('rdbu'), 0)).toEqual([5, 48, 97]);
    expect(colourAt(named('rdbu'), 1)).toEqual([103, 0, 31]);
    near(colourAt(named('rdbu'), 0.25), [106.5, 172, 208.5]);
    // YlGnBu at 0.25 is its third colour.
    near(colourAt(named('ylgnbu'), 0.25), [199, 233, 180]);
    near(colourAt(named('rdbu'), 0.5), [247, 247, 247]);
  });

  test('outside the scale are those of the nearer end', () => {
    expect(colourAt(named('rdbu'), -3)).toEqual(colourAt(named('rdbu'), 0));
    expect(colourAt(named('rdbu'), 7)).toEqual(colourAt(named('rdbu'), 1));
  });

  test('of numbers that are not finite are grey', () => {
    const scale = makeScale({ low: 0, high: 1, colours: 'ylgnbu', neutral: 'low' }, palettes);
    expect(colourOf(scale, NaN)).toEqual(NOT_FINITE);
    expect(colourOf(scale, 0)).toEqual([255, 255, 217]);
  });

  test('a table of another length is an error', () => {
    expect(() => readPalettes({ short: { diverging: false, table: 'AAAA' } })).toThrow('short');
  });
});

describe('the choice of a colour map', () => {
  const signed: Scale = { low: -1, high: 1, colours: 'rdbu', neutral: 'middle' };
  const magnitude: Scale = { low: 0, high: 1, colours: 'ylgnbu', neutral: 'low' };

  test('has diverging ones for signed maps only', () => {
    expect(choices(palettes, signed).map(({ name }) => name)).toEqual(['blue-white-red', 'rdbu']);
    expect(choices(palettes, magnitude).map(({ name }) => name)).toEqual(['ylgnbu']);
  });

  test('is that of the map if none is chosen or the chosen one does not fit', () => {
    expect(makeScale(signed, palettes).palette.name).toBe('rdbu');
    expect(makeScale(signed, palettes, 'blue-white-red').palette.name).toBe('blue-white-red');
    expect(makeScale(signed, palettes, 'ylgnbu').palette.name).toBe('rdbu');
  });
});

describe('a shared scale', () => {
  test('spans the maps of the same quantity, and no others', () => {
    const map = (quantity: string, low: number, high: number) => ({
      quantity,
      scale: { low, high, colours: 'ylgnbu', neutral: 'low' } as Scale,
    });
    const shared = spanning(map('mask', 0, 2), [map('mask', -1, 1), map('gradient', -50, 50), map('mask', 0, 3)]);
    expect([shared.low, shared.high]).toEqual([-1, 3]);
  });

  test('of signed maps keeps zero in the middle', () => {
    const map = (low: number, high: number) => ({
      quantity: 'drop',
      scale: { low, high, colours: 'rdbu', neutral: 'middle' } as Scale,
    });
    const shared = spanning(map(-1, 1), [map(-4, 4), map(-2, 2)]);
    expect([shared.low, shared.high]).toEqual([-4, 4]);
    expect(position({ ...shared }, 0)).toBe(0.5);
  });
});

function near(actual: number[], expected: number[]): void {
  for (const [channel, value] of actual.entries()) expect(Math.abs(value - expected[channel]!)).toBeLessThanOrEqual(1);
}
