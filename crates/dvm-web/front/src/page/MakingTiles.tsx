import type { Palette } from '../shared/colours.ts';
import { MapCanvas } from '../shared/MapCanvas.tsx';
import type { Settings } from '../shared/viewer-settings.ts';
import { MakingProgress, unfinished } from './Making.tsx';
import type { Run } from './state.ts';
import { SweepCanvas } from './SweepCanvas.tsx';

interface Props {
  run: Run;
  picture: ImageData | null;
  size: [number, number];
  palettes: Palette[];
  settings: Settings;
  /** The method in the large view. */
  watched: string | null;
  onWatch: (method: string) => void;
}

/** A tile for each unfinished map, at the place of the small map. */
export function MakingTiles({ run, picture, size, palettes, settings, watched, onWatch }: Props) {
  return (
    <>
      {unfinished(run).map((method) => {
        const windows = run.windows[method];
        if (!windows || !picture) {
          return (
            <div key={method} class="multiple page-tile">
              <MapCanvas size={size} picture={picture} values={null} scale={null} look={{ mode: 'picture', opacity: 0 }} label="" />
              <MakingProgress run={run} method={method} />
            </div>
          );
        }
        return (
          <button
            key={method} type="button" class="multiple page-tile" aria-pressed={watched === method}
            aria-label={`Watch ${method}`} onClick={() => onWatch(method)}
          >
            <SweepCanvas size={size} crop={picture} batches={windows} palettes={palettes} opacity={settings.opacity} colours={settings.diverging} label={`${method}, window by window`} />
            <MakingProgress run={run} method={method} />
          </button>
        );
      })}
    </>
  );
}
