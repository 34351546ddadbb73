import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

/** An array of float32 numbers, row-major. */
export interface Npy {
  shape: number[];
  values: Float32Array;
}

/** Reads a `.npy` file of float32 numbers in C order. */
export function parseNpy(bytes: Buffer): Npy {
  if (bytes.toString('latin1', 0, 6) !== '\x93NUMPY') throw new Error('this is no npy file');
  const isFirst = bytes[6] === 1;
  const start = isFirst ? 10 : 12;
  const end = start + (isFirst ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8));
  const header = bytes.toString('latin1', start, end);
  if (!header.includes("'<f4'") || !/'fortran_order': *False/.test(header)) throw new Error(`unexpected: ${header}`);
  const shape = /'shape': *\(([^)]*)\)/.exec(header)![1]!.split(',').filter((part) => part.trim() !== '').map(Number);
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Float32Array.from({ length: count }, (_, i) => bytes.readFloatLE(end + 4 * i));
  return { shape, values };
}

export function readNpy(path: string): Npy {
  return parseNpy(readFileSync(path));
}

export function at({ shape, values }: Npy, ...places: number[]): number {
  return values[places.reduce((sum, place, axis) => sum * shape[axis]! + place, 0)]!;
}

/** The precision of numbers in a report: half of a step of 16 bits between minimum and maximum. */
export function halfStep({ values }: Npy): number {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  return (high - low) / 65534 / 2;
}

const POWERS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** A number such as `6.1e−7` from dvm's output, as the page writes it. */
function superscript(_: string, minus: string, digits: string): string {
  return `×10${minus && '⁻'}${[...digits].map((digit) => POWERS[Number(digit)]).join('')}`;
}

/** The value of a text such as `−0.0123`, `2.5×10⁻⁶` or `96.6 %`, which is 0.966. */
export function numberIn(text: string): number {
  const found = /^(−?)(\d+(?:\.\d+)?)(?:×10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+))?( %)?$/.exec(text.trim().replace(/e(−?)(\d+)/, superscript));
  if (!found) throw new Error(`\`${text}\` is no number`);
  const [, minus, digits, minusPower = '', power = '', percent] = found;
  const exponent = [...power].reduce((sum, letter) => 10 * sum + POWERS.indexOf(letter), 0) * (minusPower === '' ? 1 : -1);
  return ((minus === '' ? 1 : -1) * Number(digits) * 10 ** exponent) / (percent === undefined ? 1 : 100);
}

/**
 * Fails unless a text is this number, off by no more than `slack` before it was rounded: a per cent to one decimal,
 * another number to so many significant digits.
 */
export function expectNumber(text: string, wanted: number, what: string, { slack = 0, digits = 4 } = {}): void {
  const value = numberIn(text);
  const half = text.endsWith('%') ? 0.0005 : value === 0 ? 0 : 10 ** (Math.floor(Math.log10(Math.abs(value))) - digits + 1) / 2;
  const off = Math.abs(value - wanted);
  expect(off, `${what}: the page says ${text}, the file says ${wanted}`).toBeLessThanOrEqual((half + slack) * (1 + 1e-6) + 1e-12);
}
