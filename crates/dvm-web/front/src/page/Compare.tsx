import { useMemo, useState } from 'preact/hooks';
import { ColourBar } from '../shared/ColourBar.tsx';
import type { Cell } from '../shared/cells.ts';
import type { Palette } from '../shared/colours.ts';
import { MapCanvas } from '../shared/MapCanvas.tsx';
import { sentenceOf } from '../shared/MapNumbers.tsx';
import { choices, isDiverging, makeScale, spanning } from '../shared/scale.ts';
import { formatNumber } from '../shared/ticks.ts';
import type { Info, MapView } from '../shared/types.ts';
import { useLoaded } from '../shared/use-loaded.ts';
import type { Settings } from '../shared/viewer-settings.ts';
import { ViewerControls } from '../shared/ViewerControls.tsx';
import { Warnings } from '../shared/Warnings.tsx';
import { ClassBox } from './ClassBox.tsx';
import { Icon } from './Icon.tsx';
import { FailedMethods, Making } from './Making.tsx';
import { families } from './methods.ts';
import { RunTrouble } from './RunStage.tsx';
import type { Session } from './session.ts';
import { NetworkField } from './SettingsPanel.tsx';
import { mapOf, methodOf, runOf, type Run, type Side, type State } from './state.ts';
import { SweepCanvas } from './SweepCanvas.tsx';

interface Props {
  state: State;
  session: Session;
  palettes: Palette[];
  settings: Settings;
  onSettings: (settings: Settings) => void;
}

/** A position as shares of the picture, 0 … 1, so that crops of different sizes can be compared. */
interface Spot {
  down: number;
  across: number;
}

/** Two explanations of one picture side by side: two classes, methods or networks. */
export function Compare({ state, session, palettes, settings, onSettings }: Props) {
  const [spot, setSpot] = useState<Spot | null>(null);
  const first = runOf(state, 'first');
  const second = runOf(state, 'second');
  const maps = [shownMap(state, 'first'), shownMap(state, 'second')];
  const both = useMemo(() => maps.filter((map) => map !== null), maps);
  const alike = both.length === 2 && both[0]!.quantity === both[1]!.quantity;
  const [one] = both;
  if (first === null || state.info === null) return null;
  const common = { state, info: state.info, session, palettes, settings, peers: both, spot, onSpot: setSpot };
  return (
    <section class="page-compare" aria-labelledby="compare">
      <header class="page-run-header">
        <p class="page-run-name">{state.pictures[first.picture]?.name}</p>
        <h1 id="compare">Side by side</h1>
      </header>
      <div class="page-panes">
        <Pane {...common} side="first" run={first} map={maps[0] ?? null} />
        <Pane {...common} side="second" run={second} map={maps[1] ?? null} />
      </div>
      {one && (
        <ViewerControls
          settings={settings} onSettings={onSettings} palettes={choices(palettes, one.scale)} diverging={isDiverging(one.scale)}
          hasSegments={both.some(({ segments }) => segments !== null)} sharedBy="both sides"
        />
      )}
      {settings.scale === 'shared' && both.length === 2 && !alike && (
        <p class="page-note">The two maps have different quantities ({both.map(({ quantity }) => quantity).join(' and ')}), so each has its own scale.</p>
      )}
    </section>
  );
}

/** The map that a side shows: only that of the chosen method. */
function shownMap(state: State, side: Side): MapView | null {
  const run = runOf(state, side);
  return run === null ? null : mapOf(run, wishedOf(state, side, run));
}

function wishedOf(state: State, side: Side, run: Run): string | null {
  const wished = state.method[side];
  return wished !== null && run.choice.methods.includes(wished) ? wished : (methodOf(run, null) ?? run.choice.methods[0] ?? null);
}

interface PaneProps {
  state: State;
  info: Info;
  session: Session;
  palettes: Palette[];
  settings: Settings;
  side: Side;
  run: Run | null;
  map: MapView | null;
  peers: MapView[];
  spot: Spot | null;
  onSpot: (spot: Spot | null) => void;
}

function Pane({ state, info, session, side, run, map, ...drawing }: PaneProps) {
  const based = run ?? runOf(state, 'first');
  const method = run ? wishedOf(state, side, run) : null;
  if (based === null) return null;
  const { choice } = based;
  const { model } = choice;
  const now = { model, class: choice.class, method: method ?? choice.methods[0] ?? '' };

  const ask = (change: Partial<typeof now>) => {
    const next = { ...now, ...change };
    session.dispatch({ do: 'look at', side, method: next.method });
    session.explain({ model: next.model, class: next.class, methods: [next.method], checks: [] }, side, choice);
  };
  const name = side === 'first' ? 'Left' : 'Right';
  return (
    <section class="page-pane" aria-label={name}>
      <div class="page-pane-choice">
        <NetworkField info={info} value={model} onChoose={(chosen) => ask({ model: chosen, class: sameClass(info, model, chosen) ? now.class : null })} />
        <ClassBox
          client={session.client} model={model} label="Class" nothing="the most probable class"
          value={now.class} onChoose={(chosen) => ask({ class: chosen })}
        />
        <label class="field">
          <span>Method</span>
          <select value={run ? now.method : ''} onChange={(event) => ask({ method: event.currentTarget.value })}>
            {!run && <option value="">choose a method</option>}
            {families(info.methods).map(({ family, methods }) => (
              <optgroup key={family} label={family}>
                {methods.map((one) => <option key={one.name} value={one.name}>{one.name}</option>)}
              </optgroup>
            ))}
          </select>
        </label>
      </div>
      {run && run.view && (
        <>
          <p class="page-pane-title"><strong>{run.view.title}</strong> {run.view.score}</p>
          <Picture run={run} method={method} map={map} {...drawing} />
          <Warnings warnings={run.view.warnings.filter(({ source }) => source === method || !choice.methods.includes(source))} />
        </>
      )}
      {run && <RunTrouble run={run} session={session} side={side} />}
      {run && <FailedMethods run={run} />}
      {run && run.stage === 'running' && (
        <>
          <Making run={run} />
          <button type="button" onClick={() => session.stop(run.key)}><Icon name="stop" /> Stop</button>
        </>
      )}
      {!run && <p class="page-quiet-stage">Choose another network, class or method for this side.</p>}
    </section>
  );
}

/** Whether two networks can have the same classes: their number is equal. */
function sameClass(info: Info, a: string, b: string): boolean {
  const classes = (name: string) => info.models.find((model) => model.name === name)?.classes;
  return classes(a) === classes(b);
}

type PictureProps = Pick<PaneProps, 'palettes' | 'settings' | 'map' | 'peers' | 'spot' | 'onSpot'> & { run: Run; method: string | null };

function Picture({ run, method, map, palettes, settings, peers, spot, onSpot }: PictureProps) {
  const view = run.view!;
  const { picture, maps } = useLoaded(view);
  const found = map ? maps[view.maps.indexOf(map)] : null;
  const loaded = found instanceof Error ? null : (found ?? null);
  const [rows, columns] = view.size;
  const scale = useMemo(() => {
    if (map === null) return null;
    const used = settings.scale === 'shared' ? spanning(map, peers) : map.scale;
    return makeScale(used, palettes, isDiverging(used) ? settings.diverging : settings.sequential);
  }, [map, peers, palettes, settings.scale, settings.diverging, settings.sequential]);
  const cursor: Cell | null = spot && { row: Math.min(Math.floor(spot.down * rows), rows - 1), column: Math.min(Math.floor(spot.across * columns), columns - 1) };
  const value = cursor && loaded ? loaded.values.values[cursor.row * columns + cursor.column]! : null;
  const windows = method === null ? undefined : run.windows[method];
  const smooth = settings.smooth ? loaded?.smooth : null;

  if (map === null && windows && picture) {
    return <SweepCanvas size={view.size} crop={picture} batches={windows} palettes={palettes} opacity={settings.opacity} colours={settings.diverging} label={`${method}, window by window`} />;
  }
  return (
    <figure class="page-pane-map">
      <MapCanvas
        size={view.size} picture={picture} values={(smooth ?? loaded?.values)?.values ?? null} scale={scale}
        look={{ mode: settings.mode, opacity: settings.mode === 'colour' ? settings.strongest : settings.opacity }}
        segments={settings.borders ? (loaded?.segments?.values ?? null) : null} pixelated={!settings.smooth}
        cursor={cursor}
        onCursor={(cell) => onSpot(cell && { down: (cell.row + 0.5) / rows, across: (cell.column + 0.5) / columns })}
        {...(loaded ? { peak: loaded.summary.maxAt } : {})}
        label={loaded ? sentenceOf(loaded, view.size) : `${view.name}: ${view.title}`}
      />
      {map && loaded && scale && (
        <>
          <figcaption>{map.title}</figcaption>
          <ColourBar scale={scale} quantity={map.quantity} extent={loaded.summary} value={value} />
          <p class="page-pane-value">{value === null ? 'Point at a map: the other side shows the same place.' : `${formatNumber(value)} here`}</p>
        </>
      )}
    </figure>
  );
}
