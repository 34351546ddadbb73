import { useEffect, useRef } from 'preact/hooks';
import { luma } from '../shared/overlay.ts';
import { colourAt, type Palette } from '../shared/colours.ts';
import { position } from '../shared/scale.ts';
import type { Windows } from './state.ts';
import { Sweep } from './sweep.ts';

/** The colour map of drops in dvm's figures. */
const USUAL = 'rdbu';

interface Props {
  size: [number, number];
  crop: ImageData;
  /** All windows so far, in the order of events. */
  batches: Windows[];
  palettes: Palette[];
  opacity: number;
  /** Name of the chosen colour map; null for that of dvm's figures. */
  colours: string | null;
  label: string;
}

/** Occlusion while it is computed: each window gets its colour as soon as its result arrives. */
export function SweepCanvas({ size, crop, batches, palettes, opacity, colours, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const sweep = useRef<{ of: Sweep; first: Windows | undefined; done: number } | null>(null);
  const [rows, columns] = size;

  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    // Another explanation has another first batch.
    if (sweep.current === null || sweep.current.first !== batches[0]) {
      sweep.current = { of: new Sweep([rows, columns]), first: batches[0], done: 0 };
    }
    const { of } = sweep.current;
    for (const batch of batches.slice(sweep.current.done)) of.add(batch);
    sweep.current.done = batches.length;

    const fitting = palettes.filter(({ diverging }) => diverging);
    const palette = fitting.find(({ name }) => name === (colours ?? USUAL)) ?? fitting[0];
    const pixels = context.createImageData(columns, rows);
    const scale = { low: -of.reach, high: of.reach, neutral: 'middle' as const };
    for (let i = 0, at = 0; i < of.values.length; i++, at += 4) {
      const grey = luma(crop.data[at]!, crop.data[at + 1]!, crop.data[at + 2]!);
      const place = position(scale, of.values[i]!);
      const colour = place !== null && palette ? colourAt(palette, place) : null;
      for (let channel = 0; channel < 3; channel++) {
        pixels.data[at + channel] = colour ? Math.round(grey + (colour[channel]! - grey) * opacity) : grey;
      }
      pixels.data[at + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
  }, [batches, crop, palettes, opacity, colours, rows, columns]);

  return <canvas ref={canvas} class="map-pixels" width={columns} height={rows} role="img" aria-label={label} />;
}
