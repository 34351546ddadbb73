import { useLayoutEffect, useRef } from 'preact/hooks';
import { colourAt } from './colours.ts';
import { position, type MapScale } from './scale.ts';
import { ticks } from './ticks.ts';

interface Props {
  scale: MapScale;
  quantity: string;
  /** Smallest and largest value of the map: a clipped end is marked `≤` or `≥`. */
  extent: { min: number; max: number };
  /** A value to mark on the bar. */
  value?: number | null;
}

/** The colours of a scale with ticks. */
export function ColourBar({ scale, quantity, extent, value }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const pixels = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) pixels.data.set([...colourAt(scale.palette, i / 255), 255], 4 * i);
    context.putImageData(pixels, 0, 0);
  }, [scale.palette]);

  const marks = ticks(scale.low, scale.high, 5, { below: extent.min < scale.low, above: extent.max > scale.high });
  const place = value === null || value === undefined ? null : position(scale, value);
  return (
    <div class="colour-bar">
      <p class="colour-bar-quantity">{quantity}</p>
      <div class="colour-bar-colours">
        <canvas ref={canvas} width={256} height={1} aria-hidden="true" />
        {place !== null && <span class="colour-bar-mark" style={{ left: `${place * 100}%` }} />}
      </div>
      <ul class="colour-bar-ticks" aria-label={`Colour scale: ${quantity}`}>
        {marks.map(({ position, label }) => (
          <li key={label} style={{ left: `${position * 100}%` }} class={position < 0.06 ? 'first' : position > 0.94 ? 'last' : ''}>
            {label}
          </li>
        ))}
      </ul>
    </div>
  );
}
