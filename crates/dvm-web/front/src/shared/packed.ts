import type { Packed } from './types.ts';

/** The numbers of an array, row-major; NaN for numbers that are not finite. */
export interface Grid {
  shape: number[];
  values: Float32Array;
}

/**
 * Unpacks an array: base64, zlib, differences along each row (the last axis), codes, numbers.
 *
 * Rejects if the number of bytes does not fit `shape` and `bits`.
 */
export async function unpack(packed: Packed): Promise<Grid> {
  const bytes = await inflate(fromBase64(packed.data));
  const count = packed.shape.reduce((product, length) => product * length, 1);
  const width = packed.bits / 8;
  if (bytes.length !== count * width) {
    throw new Error(
      `an array of ${packed.shape.join(' × ')} numbers of ${packed.bits} bits has ${bytes.length} bytes`,
    );
  }
  return { shape: packed.shape, values: decode(bytes, packed) };
}

function decode(bytes: Uint8Array, { shape, bits, low, high }: Packed): Float32Array {
  const wide = bits === 16;
  const mask = wide ? 0xffff : 0xff;
  const step = (high - low) / (mask - 1);
  const row = shape.at(-1) ?? 1;
  const values = new Float32Array(wide ? bytes.length / 2 : bytes.length);
  let code = 0;
  for (let i = 0; i < values.length; i++) {
    const difference = wide ? bytes[2 * i]! | (bytes[2 * i + 1]! << 8) : bytes[i]!;
    code = i % row === 0 ? difference : (code + difference) & mask;
    values[i] = code === mask ? NaN : code === mask - 1 ? high : low + code * step;
  }
  return values;
}

/** The step between two codes; the precision is half of it. */
export function stepOf({ bits, low, high }: Packed): number {
  return (high - low) / (2 ** bits - 2);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  // 'deflate' is the zlib format; the raw format is 'deflate-raw'.
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
