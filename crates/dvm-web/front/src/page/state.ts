import { classTitle } from '../shared/class-title.ts';
import type { ExplainEvent, ExplanationView, Info, MapView, PictureInfo, Warning } from '../shared/types.ts';

/** A class that the user chose. */
export interface ClassChoice {
  index: number;
  name: string;
}

/** The settings of an explanation. */
export interface Choice {
  model: string;
  /** In the order in which maps are made. */
  methods: string[];
  /** null: the most probable class. */
  class: ClassChoice | null;
  against: ClassChoice | null;
  /** Typed values by `method.option`; defaults are absent. */
  options: Record<string, string>;
  checks: string[];
}

export interface Picture {
  key: number;
  name: string;
  /** Its address in this page, for showing it before it is classified. */
  url: string;
  /** The server's data of it; null until it is sent. */
  info: PictureInfo | null;
}

export type WindowsEvent = Extract<ExplainEvent, { event: 'windows' }>;
export type Windows = WindowsEvent['windows'];

export interface Progress {
  title: string;
  done: number;
  all: number;
}

export type Stage = 'waiting' | 'running' | 'done' | 'stopped' | 'failed';

/** One explanation: waiting, running or finished. The history is the list of runs. */
export interface Run {
  key: number;
  picture: number;
  choice: Choice;
  stage: Stage;
  /** The server's id of the results, for downloads. */
  explanation: string | null;
  view: ExplanationView | null;
  progress: Record<string, Progress>;
  /** Covered windows so far by method, in the order of events. */
  windows: Record<string, Windows[]>;
  /** Errors of methods. */
  failed: Record<string, string>;
  error: string | null;
  /** Seconds until the next try at a busy server. */
  busy: number | null;
  seconds: number | null;
}

export type Mode = 'maps' | 'window' | 'compare';

/** The two panes of a comparison; outside it, only `first` is visible. */
export type Side = 'first' | 'second';

export interface State {
  info: Info | null;
  /** The error that keeps the page from working. */
  trouble: string | null;
  pictures: Record<number, Picture>;
  /** Newest first. */
  runs: Run[];
  /** The settings of the panel. */
  choice: Choice | null;
  mode: Mode;
  /** Keys of the visible runs. */
  shown: Record<Side, number | null>;
  /** The method whose map is shown; null: the first finished one. */
  method: Record<Side, string | null>;
  token: { open: boolean; refused: boolean };
  /** The latest message for screen readers. */
  said: string;
  /** Messages about errors, such as a file that is too large. */
  notes: string[];
}

export type Action =
  | { do: 'info'; info: Info }
  | { do: 'trouble'; text: string }
  | { do: 'choose'; choice: Partial<Choice> }
  | { do: 'mode'; mode: Mode }
  | { do: 'picture'; picture: Picture }
  | { do: 'picture sent'; picture: number; info: PictureInfo }
  | { do: 'add run'; run: Run; show: Side | null }
  | { do: 'start'; run: number }
  | { do: 'event'; run: number; event: ExplainEvent }
  | { do: 'busy'; run: number; seconds: number | null }
  | { do: 'stop'; run: number; again: boolean }
  | { do: 'fail'; run: number; error: string }
  | { do: 'look at'; side: Side; method: string | null }
  | { do: 'show'; side: Side; run: number | null }
  | { do: 'remove'; run: number }
  | { do: 'token'; open: boolean; refused: boolean }
  | { do: 'note'; text: string }
  | { do: 'forget notes' };

export const start: State = {
  info: null,
  trouble: null,
  pictures: {},
  runs: [],
  choice: null,
  mode: 'maps',
  shown: { first: null, second: null },
  method: { first: null, second: null },
  token: { open: false, refused: false },
  said: '',
  notes: [],
};

/** A waiting run. */
export function newRun(key: number, picture: number, choice: Choice): Run {
  return {
    key, picture, choice, stage: 'waiting', explanation: null, view: null, progress: {}, windows: {}, failed: {},
    error: null, busy: null, seconds: null,
  };
}

export function reduce(state: State, action: Action): State {
  switch (action.do) {
    case 'info':
      return { ...state, info: action.info, trouble: null };
    case 'trouble':
      return { ...state, trouble: action.text };
    case 'choose':
      return state.choice === null
        ? { ...state, choice: { ...nothingChosen, ...action.choice } }
        : { ...state, choice: { ...state.choice, ...action.choice } };
    case 'mode':
      return { ...state, mode: action.mode };
    case 'picture':
      return { ...state, pictures: { ...state.pictures, [action.picture.key]: action.picture } };
    case 'picture sent': {
      const picture = state.pictures[action.picture];
      if (!picture) return state;
      return { ...state, pictures: { ...state.pictures, [picture.key]: { ...picture, info: action.info } } };
    }
    case 'add run':
      return {
        ...state,
        runs: [action.run, ...state.runs],
        shown: action.show === null ? state.shown : { ...state.shown, [action.show]: action.run.key },
      };
    case 'start':
      return withRun(state, action.run, (run) => ({ ...newRun(run.key, run.picture, run.choice), stage: 'running' }));
    case 'event': {
      const next = withRun(state, action.run, (run) => happened(run, action.event));
      const run = findRun(next, action.run);
      const said = run && seen(next, action.run) ? news(run, action.event) : null;
      return said === null ? next : { ...next, said };
    }
    case 'busy':
      return withRun(state, action.run, (run) => ({ ...run, busy: action.seconds }));
    case 'stop':
      // The last event arrives before the connection ends, so a finished run stays finished.
      return withRun(state, action.run, (run) => isFinished(run) ? run
        : action.again
          ? newRun(run.key, run.picture, run.choice)
          : { ...run, stage: 'stopped', busy: null, progress: {}, windows: {} });
    case 'fail': {
      const failing = findRun(state, action.run);
      if (failing === null || isFinished(failing)) return state;
      const next = withRun(state, action.run, (run) =>
        ({ ...run, stage: 'failed', error: action.error, busy: null, progress: {}, windows: {} }));
      return seen(next, action.run) ? { ...next, said: `Failed: ${action.error}` } : next;
    }
    case 'look at':
      return { ...state, method: { ...state.method, [action.side]: action.method } };
    case 'show':
      return { ...state, shown: { ...state.shown, [action.side]: action.run } };
    case 'remove':
      return without(state, action.run);
    case 'token':
      return { ...state, token: { open: action.open, refused: action.refused } };
    case 'note':
      return { ...state, notes: [...state.notes, action.text], said: action.text };
    case 'forget notes':
      return { ...state, notes: [] };
  }
}

const nothingChosen: Choice = { model: '', methods: [], class: null, against: null, options: {}, checks: [] };

export function findRun(state: State, key: number | null): Run | null {
  return key === null ? null : (state.runs.find((run) => run.key === key) ?? null);
}

/** The run of a side. */
export function runOf(state: State, side: Side): Run | null {
  return findRun(state, state.shown[side]);
}

/** The method whose map is shown: the chosen one if it is finished, otherwise the first finished one. */
export function methodOf(run: Run, wished: string | null): string | null {
  return mapOf(run, wished)?.method ?? run.view?.maps[0]?.method ?? null;
}

export function mapOf(run: Run, method: string | null): MapView | null {
  return run.view?.maps.find((map) => map.method === method) ?? null;
}

function isFinished({ stage }: Run): boolean {
  return stage === 'done' || stage === 'failed';
}

/** Whether the run is visible. */
function seen(state: State, key: number): boolean {
  return state.shown.first === key || (state.mode === 'compare' && state.shown.second === key);
}

function withRun(state: State, key: number, change: (run: Run) => Run): State {
  return { ...state, runs: state.runs.map((run) => (run.key === key ? change(run) : run)) };
}

function happened(run: Run, event: ExplainEvent): Run {
  switch (event.event) {
    case 'prediction':
      return { ...run, busy: null, explanation: event.explanation, view: event.view };
    case 'progress':
      return {
        ...run,
        progress: { ...run.progress, [event.method]: { title: event.title, done: event.done, all: event.all } },
      };
    case 'windows':
      return {
        ...run,
        windows: { ...run.windows, [event.method]: [...(run.windows[event.method] ?? []), event.windows] },
      };
    case 'map': {
      if (run.view === null) return run;
      const maps = [...run.view.maps.filter((map) => map.method !== event.method), event.map];
      return {
        ...run,
        view: { ...run.view, maps, warnings: joined(run.view.warnings, event.warnings) },
        progress: omit(run.progress, event.method),
        windows: omit(run.windows, event.method),
      };
    }
    case 'failed':
      return {
        ...run,
        failed: { ...run.failed, [event.method]: event.error },
        progress: omit(run.progress, event.method),
        windows: omit(run.windows, event.method),
      };
    case 'done':
      return { ...run, stage: 'done', seconds: event.seconds, progress: {}, windows: {} };
    case 'error':
      return { ...run, stage: 'failed', error: event.error, progress: {}, windows: {} };
  }
}

function joined(old: Warning[], more: Warning[]): Warning[] {
  return [...old, ...more.filter((warning) => !old.some((known) => known.source === warning.source && known.text === warning.text))];
}

function omit<T>(record: Record<string, T>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}

/** A message for screen readers. */
function news(run: Run, event: ExplainEvent): string | null {
  switch (event.event) {
    case 'prediction': {
      const [first] = event.view.top;
      return first ? `${event.view.name}: ${classTitle(first.name)}, ${(first.probability * 100).toFixed(1)} percent.` : null;
    }
    case 'map': {
      const ready = run.view?.maps.length ?? 0;
      return `Map ${ready} of ${run.choice.methods.length} is finished: ${event.map.title}.`;
    }
    case 'failed':
      return `${event.method} failed: ${event.error}`;
    case 'done':
      return 'The explanation is finished.';
    case 'error':
      return `Failed: ${event.error}`;
    default:
      return null;
  }
}

function without(state: State, key: number): State {
  const gone = findRun(state, key);
  if (!gone) return state;
  const at = state.runs.indexOf(gone);
  const runs = state.runs.filter((run) => run !== gone);
  const next = runs[Math.min(at, runs.length - 1)]?.key ?? null;
  const used = runs.some((run) => run.picture === gone.picture);
  return {
    ...state,
    runs,
    pictures: used ? state.pictures : (omit(state.pictures as Record<string, Picture>, String(gone.picture)) as Record<number, Picture>),
    shown: {
      first: state.shown.first === key ? next : state.shown.first,
      second: state.shown.second === key ? null : state.shown.second,
    },
    mode: runs.length === 0 ? 'maps' : state.mode,
  };
}
