import { deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { stepOf, unpack } from '../src/shared/packed.ts';
import { pack } from './made/encode.ts';

const deflated = (bytes: number[]) => deflateSync(Buffer.from(bytes)).toString('base64');

test('codes of 8 bits are differences along each row', async () => {
  // Codes 0 127 254 / 254 253 255: the second row starts with its own code, differences wrap at 256.
  const data = deflated([0, 127, 127, 254, 255, 2]);
  const { shape, values } = await unpack({ shape: [2, 3], bits: 8, low: -1, high: 1, data });
  expect(shape).toEqual([2, 3]);
  expect([...values]).toEqual([-1, 0, 1, 1, Math.fround(-1 + (253 * 2) / 254), NaN]);
});

test('codes of 16 bits are little-endian', async () => {
  // Codes 1 and 65534: 0x0001, then 65534 − 1 = 0xfffd.
  const data = deflated([0x01, 0x00, 0xfd, 0xff]);
  const { values } = await unpack({ shape: [2], bits: 16, low: 0, high: 65534, data });
  expect([...values]).toEqual([1, 65534]);
});

test('rows of an array with three axes are along its last axis', async () => {
  const data = deflated([10, 1, 20, 1, 30, 1, 40, 1]);
  const { values } = await unpack({ shape: [2, 2, 2], bits: 8, low: 0, high: 254, data });
  expect([...values]).toEqual([10, 11, 20, 21, 30, 31, 40, 41]);
});

test('without a range all finite numbers are equal', async () => {
  const data = deflated([0, 255]);
  const { values } = await unpack({ shape: [2], bits: 8, low: 0.5, high: 0.5, data });
  expect([...values]).toEqual([0.5, NaN]);
});

test('numbers are restored to half a step', async () => {
  const numbers = Array.from({ length: 600 }, (_, i) => Math.sin(i / 7) * 3);
  for (const bits of [8, 16] as const) {
    const packed = pack(numbers, [20, 30], bits);
    const { values } = await unpack(packed);
    const worst = Math.max(...numbers.map((number, i) => Math.abs(number - values[i]!)));
    expect(worst).toBeLessThanOrEqual(stepOf(packed) / 2 + 1e-6);
    expect(worst).toBeGreaterThan(0);
  }
});

test('too few bytes for the shape are an error', async () => {
  const packed = { shape: [2, 2], bits: 8 as const, low: 0, high: 1, data: deflated([1, 2, 3]) };
  await expect(unpack(packed)).rejects.toThrow('2 × 2 numbers of 8 bits has 3 bytes');
});

test('bytes that are not zlib are an error', async () => {
  await expect(unpack({ shape: [1], bits: 8, low: 0, high: 1, data: 'AAAA' })).rejects.toThrow();
});
