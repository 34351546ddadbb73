import { Checks } from '../shared/Checks.tsx';
import type { Palette } from '../shared/colours.ts';
import { MapCanvas } from '../shared/MapCanvas.tsx';
import { formatPercent } from '../shared/ticks.ts';
import { useLoaded } from '../shared/use-loaded.ts';
import { Viewer } from '../shared/Viewer.tsx';
import type { Settings } from '../shared/viewer-settings.ts';
import { Warnings } from '../shared/Warnings.tsx';
import type { ExplanationView } from '../shared/types.ts';
import { Icon } from './Icon.tsx';
import { FailedMethods, Making, unfinished } from './Making.tsx';
import { MakingTiles } from './MakingTiles.tsx';
import type { Session } from './session.ts';
import { mapOf, methodOf, type Run, type State } from './state.ts';
import { SweepCanvas } from './SweepCanvas.tsx';

interface Props {
  run: Run;
  state: State;
  session: Session;
  palettes: Palette[];
  settings: Settings;
  onSettings: (settings: Settings) => void;
}

/** One explanation: the picture with its maps, progress, and warnings. */
export function RunStage({ run, state, session, palettes, settings, onSettings }: Props) {
  const { view } = run;
  const picture = state.pictures[run.picture];
  return (
    <section class="page-run" aria-labelledby="run-title">
      <header class="page-run-header">
        <p class="page-run-name">{picture?.name}</p>
        <h1 id="run-title">{view ? view.title : run.stage === 'failed' ? 'Not explained' : 'Classifying …'}</h1>
        {view && <p class="page-run-score">{view.score} by {run.choice.model}</p>}
        {run.stage === 'running' && (
          <button type="button" class="page-stop" onClick={() => session.stop(run.key)}><Icon name="stop" /> Stop</button>
        )}
      </header>
      <RunTrouble run={run} session={session} />
      {view && <Warnings warnings={view.warnings} />}
      {picture?.info && picture.info.notes.length > 0 && (
        <ul class="page-picture-notes" aria-label="Warnings about the picture file">
          {picture.info.notes.map((note) => <li key={note}>{note}</li>)}
        </ul>
      )}
      {view && view.maps.length > 0 && (
        <Maps run={run} view={view} state={state} session={session} palettes={palettes} settings={settings} onSettings={onSettings} />
      )}
      {view && view.maps.length === 0 && <FirstMap run={run} view={view} palettes={palettes} settings={settings} />}
      {!view && picture && run.stage !== 'failed' && <img class="page-first-look" src={picture.url} alt={`The picture ${picture.name}`} />}
      {(view === null || view.maps.length === 0) && <Making run={run} />}
      <FailedMethods run={run} />
      {view?.maps.filter(({ checks, own }) => checks.length + own.length > 0).map((map) => (
        <details key={map.method} class="page-checks" open={map.checks.length > 0}>
          <summary>Checks of {map.title}</summary>
          <Checks map={map} />
        </details>
      ))}
      {run.stage === 'done' && run.seconds !== null && <p class="hint">Made in {run.seconds.toFixed(1)} seconds.</p>}
    </section>
  );
}

/** The finished maps, with tiles for unfinished ones; occlusion can be watched in the large view. */
function Maps({ run, view, state, session, palettes, settings, onSettings }: Props & { view: ExplanationView }) {
  const { picture } = useLoaded(view);
  const wished = state.method.first;
  const windows = wished === null ? undefined : run.windows[wished];
  const look = (method: string | null) => session.dispatch({ do: 'look at', side: 'first', method });
  const tiles = unfinished(run).length > 0 && (
    <MakingTiles run={run} picture={picture} size={view.size} palettes={palettes} settings={settings} watched={windows ? wished : null} onWatch={look} />
  );
  return (
    <Viewer
      view={view} palettes={palettes} settings={settings} onSettings={onSettings}
      chosen={mapOf(run, methodOf(run, wished))?.title ?? null}
      onChoose={(title) => look(view.maps.find((map) => map.title === title)?.method ?? null)}
      making={tiles}
      instead={windows && picture && (
        <SweepCanvas size={view.size} crop={picture} batches={windows} palettes={palettes} opacity={settings.opacity} colours={settings.diverging} label={`${wished}, window by window`} />
      )}
    />
  );
}

/** Before the first map is finished: the picture, with the windows of occlusion so far. */
function FirstMap({ run, view, palettes, settings }: Pick<Props, 'run' | 'palettes' | 'settings'> & { view: ExplanationView }) {
  const { picture, problem } = useLoaded(view);
  const [sweep] = Object.entries(run.windows);
  return (
    <figure class="page-first-map">
      {problem !== null && <p class="problem">{problem}</p>}
      {picture && sweep
        ? <SweepCanvas size={view.size} crop={picture} batches={sweep[1]} palettes={palettes} opacity={settings.opacity} colours={settings.diverging} label={`${sweep[0]} of ${view.title}, window by window`} />
        : (
          <MapCanvas
            size={view.size} picture={picture} values={null} scale={null} look={{ mode: 'picture', opacity: 0 }}
            label={`The input of the network: ${view.name}, ${formatPercent(view.class.probability)} ${view.class.name}`}
          />
        )}
    </figure>
  );
}

export function RunTrouble({ run, session, side = 'first' }: { run: Run; session: Session; side?: 'first' | 'second' }) {
  if (run.stage === 'failed') {
    return (
      <div class="page-failed" role="alert">
        <p>{run.error}</p>
        <button type="button" onClick={() => session.retry(run.key, side)}>Try again</button>
      </div>
    );
  }
  if (run.stage === 'stopped') {
    return (
      <div class="page-note">
        <p>Stopped{run.view && run.view.maps.length > 0 ? '; finished maps are shown' : ''}.</p>
        <button type="button" onClick={() => session.retry(run.key, side)}>Start again</button>
      </div>
    );
  }
  if (run.busy !== null) {
    return <p class="page-note" role="status">The server is busy. Trying again in {run.busy} s.</p>;
  }
  return null;
}
