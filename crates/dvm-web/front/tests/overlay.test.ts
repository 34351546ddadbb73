import { expect, test } from 'vitest';
import { readPalettes } from '../src/shared/colours.ts';
import { luma, paint, paintBorders, type Look, type Pixels } from '../src/shared/overlay.ts';
import { makeScale } from '../src/shared/scale.ts';
import type { Scale } from '../src/shared/types.ts';
import { lines } from './made/report.ts';

// The numbers are from the Rust tests of overlays.

const palettes = readPalettes({
  'blue-white-red': lines(true, [[0, 0, 255], [255, 255, 255], [255, 0, 0]]),
  // Like blue-white-red, for maps without a sign.
  plain: lines(false, [[0, 0, 255], [255, 255, 255], [255, 0, 0]]),
});
const photograph = pixels(3, 1, [200, 100, 50, 0, 255, 0, 10, 20, 30]);

test('grey is the luma of Pillow', () => {
  expect([luma(200, 100, 50), luma(0, 255, 0), luma(255, 255, 255), luma(10, 20, 30)]).toEqual([124, 150, 255, 18]);
});

test('the grey overlay mixes by the opacity', () => {
  // 0.55 × 124 + 0.45 × (0, 0, 255) and 0.55 × 150 + 0.45 × (255, 0, 0)
  const drawn = draw([0, 1, 0], { low: 0, high: 1, colours: 'plain', neutral: 'low' }, { mode: 'overlay', opacity: 0.45 });
  expect(drawn.slice(0, 2)).toEqual([[68, 68, 183], [197, 83, 83]]);
});

test('the colour overlay does not change the picture where the map is neutral', () => {
  const drawn = draw([0, 1, 0], { low: -1, high: 1, colours: 'blue-white-red', neutral: 'middle' }, { mode: 'colour', opacity: 0.85 });
  // 0.15 × (0, 255, 0) + 0.85 × (255, 0, 0) = (216.75, 38.25, 0)
  expect(drawn).toEqual([[200, 100, 50], [217, 38, 0], [10, 20, 30]]);
});

test('numbers that are not finite are grey in both overlays', () => {
  const scale: Scale = { low: 0, high: 1, colours: 'plain', neutral: 'low' };
  expect(draw([NaN, 0, 1], scale, { mode: 'overlay', opacity: 1 })[0]).toEqual([150, 150, 150]);
  expect(draw([NaN, 0, 1], scale, { mode: 'colour', opacity: 0.85 })[0]).toEqual([158, 143, 135]);
});

test('a map alone does not show the picture, and a picture alone does not show the map', () => {
  const scale: Scale = { low: 0, high: 1, colours: 'plain', neutral: 'low' };
  expect(draw([0, 1, 0], scale, { mode: 'map', opacity: 0.1 })).toEqual([[0, 0, 255], [255, 0, 0], [0, 0, 255]]);
  expect(draw([0, 1, 0], scale, { mode: 'picture', opacity: 0.1 })).toEqual([[200, 100, 50], [0, 255, 0], [10, 20, 30]]);
});

test('borders are drawn between segments', () => {
  const target = pixels(3, 2, [255, 255, 255, 0, 0, 0, 9, 9, 9, 255, 255, 255, 255, 255, 255, 9, 9, 9]);
  // 1 1 2
  // 3 1 2
  paintBorders(target, Float32Array.of(1, 1, 2, 3, 1, 2));
  expect(rgb(target)).toEqual([[0, 0, 0], [255, 255, 255], [9, 9, 9], [0, 0, 0], [0, 0, 0], [9, 9, 9]]);
});

function draw(values: number[], scale: Scale, look: Look): number[][] {
  const target = pixels(3, 1, new Array(9).fill(0));
  paint(target, photograph, { values: Float32Array.from(values), scale: makeScale(scale, palettes) }, look);
  return rgb(target);
}

function pixels(width: number, height: number, colours: number[]): Pixels {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) data.set([...colours.slice(3 * i, 3 * i + 3), 255], 4 * i);
  return { width, height, data };
}

function rgb({ data }: Pixels): number[][] {
  return Array.from({ length: data.length / 4 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
}
