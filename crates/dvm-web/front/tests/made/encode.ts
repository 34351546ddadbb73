import { deflateSync, crc32 } from 'node:zlib';
import type { Packed } from '../../src/shared/types.ts';

/** Packs numbers as Rust does: codes, differences along each row, zlib, base64. */
export function pack(values: ArrayLike<number>, shape: number[], bits: 8 | 16): Packed {
  const finite = Array.from(values).filter(Number.isFinite);
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity);
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  const top = 2 ** bits - 2;
  const codes = Array.from(values, (value) =>
    !Number.isFinite(value) ? top + 1 : high > low ? Math.round(((value - low) / (high - low)) * top) : 0,
  );
  const row = shape.at(-1)!;
  const bytes = Buffer.alloc((codes.length * bits) / 8);
  codes.forEach((code, i) => {
    const left = i % row === 0 ? 0 : codes[i - 1]!;
    const difference = (code - left) & (2 ** bits - 1);
    if (bits === 16) bytes.writeUInt16LE(difference, 2 * i);
    else bytes[i] = difference;
  });
  return { shape, bits, low: finite.length ? low : 0, high: finite.length ? high : 0, data: deflateSync(bytes).toString('base64') };
}

/** A PNG of RGB pixels, as a data URL. */
export function png(width: number, height: number, rgb: (row: number, column: number) => [number, number, number]): string {
  const raw = Buffer.alloc(height * (1 + 3 * width));
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      // The first byte of a row: no filter.
      raw.set(rgb(row, column), row * (1 + 3 * width) + 1 + 3 * column);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const file = Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(raw, { level: 4 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
  return `data:image/png;base64,${file.toString('base64')}`;
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'ascii'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), out.length - 4);
  return out;
}
