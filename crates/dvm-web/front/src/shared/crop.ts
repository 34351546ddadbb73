/**
 * The pixels of a picture (a data URL), scaled to `size` (rows, columns) if necessary.
 *
 * Uses an `Image`, because the Content-Security-Policy of a report forbids `fetch`.
 */
export async function loadCrop(url: string, [rows, columns]: [number, number]): Promise<ImageData> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('this browser cannot draw pictures');
  context.drawImage(image, 0, 0, columns, rows);
  return context.getImageData(0, 0, columns, rows);
}
