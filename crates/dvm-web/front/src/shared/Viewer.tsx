import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { Cell } from './cells.ts';
import { ColourBar } from './ColourBar.tsx';
import type { Palette } from './colours.ts';
import type { LoadedMap } from './loaded-map.ts';
import { MapCanvas } from './MapCanvas.tsx';
import { MapNumbers, sentenceOf } from './MapNumbers.tsx';
import { Reading } from './Reading.tsx';
import { choices, isDiverging, makeScale, spanning, type MapScale, type Peer } from './scale.ts';
import type { ExplanationView } from './types.ts';
import { useLoaded } from './use-loaded.ts';
import type { Settings } from './viewer-settings.ts';
import { ViewerControls } from './ViewerControls.tsx';

interface Props {
  view: Pick<ExplanationView, 'name' | 'title' | 'size' | 'input' | 'maps'>;
  palettes: Palette[];
  settings: Settings;
  onSettings: (settings: Settings) => void;
  /** Maps of other pictures for a shared scale, which always includes the maps of this picture. */
  peers?: Peer[];
  /** A name for `peers`, such as `the pictures of the list`. */
  sharedBy?: string;
  /** Title of the large map; without it, the viewer remembers the choice. */
  chosen?: string | null;
  onChoose?: (title: string) => void;
  /** Tiles beside the small maps, for unfinished maps. */
  making?: ComponentChildren;
  /** Shown instead of the large map. */
  instead?: ComponentChildren;
}

let viewers = 0;
const none: Peer[] = [];

/** The maps of one picture: one large, all small, with controls, a colour bar, values and tables. */
export function Viewer(props: Props) {
  const { view, palettes, settings, onSettings, peers = none, sharedBy = 'the maps of this picture', making, instead } = props;
  const { picture, maps, problem } = useLoaded(view);
  const [id] = useState(() => `viewer-${++viewers}`);
  const [remembered, setRemembered] = useState({ index: 0, title: '' });
  const [cursor, setCursor] = useState<Cell | null>(null);

  const scales = useMemo(
    () =>
      view.maps.map((map): MapScale => {
        const scale = settings.scale === 'shared' ? spanning(map, [...view.maps, ...peers]) : map.scale;
        return makeScale(scale, palettes, isDiverging(scale) ? settings.diverging : settings.sequential);
      }),
    [view.maps, peers, palettes, settings.scale, settings.diverging, settings.sequential],
  );
  const look = {
    mode: settings.mode,
    opacity: settings.mode === 'colour' ? settings.strongest : settings.opacity,
  };

  const large = whichOf(view.maps, props.chosen ? { index: -1, title: props.chosen } : remembered);
  const shown = view.maps[large];
  const map = ready(maps[large]);
  const choose = (index: number) => {
    const title = view.maps[index]?.title ?? '';
    setRemembered({ index, title });
    props.onChoose?.(title);
  };
  const place = cursor && within(cursor, view.size) ? cursor : null;

  const drawn = (i: number) => {
    const loaded = ready(maps[i]);
    const smooth = settings.smooth ? loaded?.smooth : null;
    return {
      size: view.size,
      picture,
      values: (smooth ?? loaded?.values)?.values ?? null,
      scale: scales[i] ?? null,
      look,
      segments: settings.borders ? (loaded?.segments?.values ?? null) : null,
      pixelated: !settings.smooth,
      cursor: place,
    };
  };

  return (
    <div
      class="viewer"
      onKeyDown={(event) => {
        const index = '123456789'.indexOf(event.key);
        if (index < 0 || index >= view.maps.length || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        choose(index);
      }}
    >
      {problem !== null && <p class="problem">{problem}</p>}
      {(view.maps.length > 1 || Boolean(making)) && (
        <fieldset class="multiples">
          <legend>Maps</legend>
          {view.maps.map(({ title, quantity }, i) => (
            <label key={i} class="multiple">
              <input type="radio" class="for-readers" name={`${id}-map`} checked={i === large && !instead} onChange={() => choose(i)} />
              <MapCanvas {...drawn(i)} label="" />
              <span class="multiple-title">{title}</span>
              <span class="multiple-quantity">{quantity}</span>
            </label>
          ))}
          {making}
        </fieldset>
      )}
      <div class="viewer-stage">
        <figure class="viewer-large">
          {instead ?? (
            <MapCanvas
              {...drawn(large)}
              onCursor={setCursor}
              {...(map ? { peak: map.summary.maxAt } : {})}
              label={map ? sentenceOf(map, view.size) : `${view.name}: ${view.title}`}
              describedBy={`${id}-reading`}
            />
          )}
          {shown && !instead && <figcaption>{shown.title}</figcaption>}
          {map && !instead && scales[large] && settings.mode !== 'picture' && (
            <ColourBar
              scale={scales[large]}
              quantity={map.view.quantity}
              extent={map.summary}
              value={place ? map.values.values[place.row * view.size[1] + place.column]! : null}
            />
          )}
        </figure>
        <div class="viewer-side">
          {shown && (
            <ViewerControls
              settings={settings}
              onSettings={onSettings}
              palettes={choices(palettes, shown.scale)}
              diverging={isDiverging(shown.scale)}
              hasSegments={shown.segments !== null}
              sharedBy={sharedBy}
            />
          )}
          {maps[large] instanceof Error && <p class="problem">The map cannot be read: {maps[large].message}</p>}
          {map && !instead && <Reading id={`${id}-reading`} cursor={place} map={map} maps={maps.filter(isReady)} />}
          {map && !instead && <MapNumbers map={map} size={view.size} />}
        </div>
      </div>
    </div>
  );
}

/** The chosen map, or in another picture the one with the same title, or the first. */
function whichOf(maps: { title: string }[], chosen: { index: number; title: string }): number {
  if (maps[chosen.index]?.title === chosen.title) return chosen.index;
  return Math.max(maps.findIndex(({ title }) => title === chosen.title), 0);
}

function isReady(map: LoadedMap | Error | null | undefined): map is LoadedMap {
  return Boolean(map) && !(map instanceof Error);
}

function ready(map: LoadedMap | Error | null | undefined): LoadedMap | null {
  return isReady(map) ? map : null;
}

function within({ row, column }: Cell, [rows, columns]: [number, number]): boolean {
  return row < rows && column < columns;
}
