/** A picture of coloured waves and noise as a BMP file, the same for the same seed. */
export function bitmap(width: number, height: number, seed: number): Buffer {
  const row = Math.ceil((3 * width) / 4) * 4;
  const bytes = Buffer.alloc(54 + row * height);
  bytes.write('BM');
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  let random = seed;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
        const wave = Math.sin(x / (3 + 4 * seed + channel)) * Math.cos(y / (2 + 3 * seed)) * 90;
        bytes[54 + y * row + 3 * x + channel] = 128 + wave + ((random >>> 24) - 128) / 4;
      }
    }
  }
  return bytes;
}
