import { expect, test } from 'vitest';
import { formatNumber, formatPercent, ticks } from '../src/shared/ticks.ts';

// The numbers are from the Rust tests of ticks.

const labels = (low: number, high: number) => ticks(low, high, 6).map(({ label }) => label);

test('ticks are at round numbers', () => {
  expect(labels(0, 1)).toEqual(['0', '0.2', '0.4', '0.6', '0.8', '1.0']);
  expect(labels(-0.5, 0.5)).toEqual(['−0.4', '−0.2', '0', '0.2', '0.4']);
  expect(labels(0, 255)).toEqual(['0', '50', '100', '150', '200', '250']);
});

test('labels of neighbours differ', () => {
  expect(labels(0.99971, 0.999995)).toEqual(['0.99975', '0.99980', '0.99985', '0.99990', '0.99995']);
});

test('small numbers are fixed if short, otherwise scientific', () => {
  expect(labels(0, 0.00016)).toEqual(['0', '0.00005', '0.00010', '0.00015']);
  expect(labels(0, 1.1e-5)).toEqual(['0', '0.2×10⁻⁵', '0.4×10⁻⁵', '0.6×10⁻⁵', '0.8×10⁻⁵', '1.0×10⁻⁵']);
});

test('clipped ends have ticks with room around them', () => {
  const marks = ticks(-1, 1.04, 6, { below: true, above: true });
  expect(marks.map(({ label }) => label)).toEqual(['≤ −1.0', '−0.5', '0', '0.5', '≥ 1.04']);
  expect([marks[0]!.position, marks[4]!.position]).toEqual([0, 1]);
});

test('a scale without length has one tick in the middle', () => {
  expect(ticks(0.37, 0.37)).toEqual([{ position: 0.5, label: '0.37' }]);
});

test('a single number has no trailing zeros', () => {
  expect([0.37, 0, -2, 100, 1.5e-9, 0.123456].map((value) => formatNumber(value))).toEqual([
    '0.37', '0', '−2', '100', '1.5×10⁻⁹', '0.1235',
  ]);
  expect([NaN, Infinity, -Infinity].map((value) => formatNumber(value))).toEqual(['not a number', '∞', '−∞']);
});

test('probabilities have one decimal', () => {
  expect([0.9617, 1, 0, -0.0004, -0.25].map(formatPercent)).toEqual(['96.2 %', '100.0 %', '0.0 %', '0.0 %', '−25.0 %']);
});
