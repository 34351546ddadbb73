import { useEffect, useId, useMemo, useState } from 'preact/hooks';
import { MapCanvas } from '../shared/MapCanvas.tsx';
import { classTitle } from '../shared/class-title.ts';
import { formatPercent } from '../shared/ticks.ts';
import type { ExplanationView, WindowAnswer } from '../shared/types.ts';
import { useLoaded } from '../shared/use-loaded.ts';
import { inWords, wasStopped } from './client.ts';
import { Newest } from './newest.ts';
import { around, centre, movedBy, type Place } from './place.ts';
import type { Session } from './session.ts';
import type { Run } from './state.ts';

const FILLS = ['mean', 'black', 'white', 'grey', 'blur'] as const;
const OWN = 'colour';

interface Question extends Place {
  fill: string;
}

/** A window that the user moves over the picture, and the prediction with the covered window. */
export function LiveWindow({ run, session }: { run: Run; session: Session }) {
  if (run.view === null) {
    return <p class="page-quiet-stage">You can move the window as soon as the picture is classified.</p>;
  }
  // A new picture or network starts with the window in the middle.
  return <Movable key={`${run.picture} ${run.choice.model}`} run={run} view={run.view} session={session} />;
}

function Movable({ run, view, session }: { run: Run; view: ExplanationView; session: Session }) {
  const { size } = view;
  const { picture: crop } = useLoaded(view);
  const help = useId();
  const [side, setSide] = useState(48);
  const [kind, setKind] = useState<string>('mean');
  const [colour, setColour] = useState('#808080');
  const [place, setPlace] = useState<Place>(() => around(size[0] / 2, size[1] / 2, 48, size));
  const [answer, setAnswer] = useState<WindowAnswer | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [said, setSaid] = useState('');
  const [busy, setBusy] = useState<number | null>(null);
  const fill = kind === OWN ? colour : kind;
  const model = run.choice.model;

  const newest = useMemo(() => {
    const stop = new AbortController();
    const classes = [...new Set([view.class.index, ...view.top.slice(0, 5).map(({ index }) => index)])];
    const queue = new Newest<Question, WindowAnswer>(
      (question) => session.window(run.picture, { model, classes, ...question }, { signal: stop.signal, onBusy: setBusy }),
      (got) => {
        setAnswer(got);
        setError(null);
      },
      (problem) => { if (!wasStopped(problem)) setError(inWords(problem)); },
    );
    return { queue, close: () => { queue.close(); stop.abort(); } };
  }, [session, run.picture, model, view.class.index]);
  useEffect(() => () => newest.close(), [newest]);

  useEffect(() => newest.queue.put({ ...place, fill }), [place, fill, newest]);
  // Reported when the window stops, not at every pixel.
  useEffect(() => {
    const timer = setTimeout(() => setSaid(answer ? verdict(answer) : ''), 600);
    return () => clearTimeout(timer);
  }, [answer]);

  const resize = (wanted: number) => {
    const next = Math.min(Math.max(wanted, 1), Math.min(...size));
    const { row, column } = centre(place);
    setSide(next);
    setPlace(around(row, column, next, size));
  };
  const follow = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    setPlace(around(
      ((event.clientY - box.top) / box.height) * size[0], ((event.clientX - box.left) / box.width) * size[1], side, size,
    ));
  };
  const percent = (part: number, whole: number) => `${(100 * part) / whole}%`;

  return (
    <section class="page-live" aria-labelledby="live">
      <div class="page-live-picture">
        <header class="page-run-header">
          <p class="page-run-name">{view.name}</p>
          <h1 id="live">Move the window</h1>
        </header>
        <div
          class="page-window-area" tabIndex={0} role="application" aria-roledescription="window over the picture"
          aria-label={`Window over rows ${place.rows[0]} to ${place.rows[1]} and columns ${place.columns[0]} to ${place.columns[1]}`}
          aria-describedby={help}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            follow(event);
          }}
          onPointerMove={(event) => { if (event.buttons & 1) follow(event); }}
          onKeyDown={(event) => {
            const next = movedBy(event.key, event.shiftKey, place, size);
            if (next !== null) setPlace(next);
            else if (event.key === '+') resize(side + 4);
            else if (event.key === '-') resize(side - 4);
            else return;
            event.preventDefault();
          }}
        >
          <MapCanvas
            size={size} picture={crop} values={null} scale={null} look={{ mode: 'picture', opacity: 0 }}
            label={`The input of the network: ${view.name}`}
          >
            <span
              class={`page-window${fill === 'blur' ? ' page-window-blur' : ''}`}
              style={{
                top: percent(place.rows[0], size[0]),
                left: percent(place.columns[0], size[1]),
                height: percent(place.rows[1] - place.rows[0], size[0]),
                width: percent(place.columns[1] - place.columns[0], size[1]),
                background: cover(fill, crop),
              }}
            />
          </MapCanvas>
        </div>
      </div>
      <div class="page-live-answer">
        <h2>With the window covered</h2>
        {answer && <p class="page-live-verdict">{verdict(answer)}</p>}
        {answer && <Changes answer={answer} explained={view.class.index} />}
        {busy !== null && <p class="page-note">The server is busy. Trying again in {busy} s.</p>}
        {error !== null && <p class="problem" role="alert">{error}</p>}
        {answer && <p class="hint">Computed in {answer.milliseconds.toFixed(answer.milliseconds < 10 ? 1 : 0)} ms.</p>}
        <div class="for-readers" role="status" aria-live="polite">{said}</div>
      </div>
      <div class="page-live-settings">
        <div class="page-live-controls">
          <label class="field">
            <span>Size: {side} pixels</span>
            <input type="range" min={4} max={Math.min(...size)} value={side} onInput={(event) => resize(Number(event.currentTarget.value))} />
          </label>
          <label class="field">
            <span>Fill</span>
            <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
              {FILLS.map((name) => <option key={name} value={name}>{name === 'mean' ? "the picture's mean" : name}</option>)}
              <option value={OWN}>a colour</option>
            </select>
          </label>
          {kind === OWN && (
            <label class="field">
              <span>Colour</span>
              <input type="color" value={colour} onInput={(event) => setColour(event.currentTarget.value)} />
            </label>
          )}
        </div>
        <p id={help} class="hint">
          Drag the window, or move it with the arrow keys (with Shift by 10 pixels); + and − change its size.
        </p>
      </div>
    </section>
  );
}

function Changes({ answer, explained }: { answer: WindowAnswer; explained: number }) {
  return (
    <ol class="page-changes" aria-label="Probability before and with the window covered">
      {answer.classes.map(({ index, name, before, after }) => (
        <li key={index} class={index === explained ? 'page-change-explained' : ''}>
          <span class="page-change-name">{classTitle(name)}</span>
          <span class="page-change-numbers">
            {formatPercent(before)} <span aria-hidden="true">→</span><span class="for-readers">becomes</span> <strong>{formatPercent(after)}</strong>
          </span>
          <span class="page-change-track" aria-hidden="true">
            <span class="page-change-before" style={{ width: `${before * 100}%` }} />
            <span class="page-change-after" style={{ width: `${after * 100}%` }} />
          </span>
        </li>
      ))}
    </ol>
  );
}

/** The change of the explained class, and the most probable class. */
function verdict({ classes, top }: WindowAnswer): string {
  const [one] = classes;
  const [now] = top;
  if (!one || !now) return '';
  const change = one.after - one.before;
  const how = Math.abs(change) < 0.0005
    ? `${classTitle(one.name)} does not change`
    : `${classTitle(one.name)} ${change < 0 ? 'loses' : 'gains'} ${(Math.abs(change) * 100).toFixed(1)} points`;
  return now.index === one.index ? `${how}.` : `${how}; most probable now: ${classTitle(now.name)}, ${formatPercent(now.probability)}.`;
}


/** The colour of the window, similar to the fill of the network's input. */
function cover(fill: string, crop: ImageData | null): string {
  if (fill === 'blur') return 'transparent';
  if (fill === 'grey') return '#808080';
  if (fill !== 'mean') return fill;
  if (crop === null) return '#808080';
  const sum = [0, 0, 0];
  for (let at = 0; at < crop.data.length; at += 4) for (let c = 0; c < 3; c++) sum[c]! += crop.data[at + c]!;
  return `rgb(${sum.map((total) => Math.round((4 * total) / crop.data.length)).join(' ')})`;
}
