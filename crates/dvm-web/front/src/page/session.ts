import type { ExplainRequest, WindowAnswer, WindowRequest } from '../shared/types.ts';
import { Client, Refusal, inWords, wasStopped, type Call } from './client.ts';
import { pick } from './methods.ts';
import {
  findRun, methodOf, newRun, reduce, start, type Action, type Choice, type Mode, type Picture, type Run, type Side, type State,
} from './state.ts';
import { SessionToken } from './token.ts';

const SIDES: readonly Side[] = ['first', 'second'];

/** The running explanation of one side. */
interface Working {
  run: number;
  stop: AbortController;
}

/**
 * Keeps the state and calls the server.
 *
 * Each side makes one explanation at a time. If the user starts another one, it is stopped; waiting pictures follow
 * when it is finished.
 */
export class Session {
  readonly client: Client;
  readonly token: SessionToken;
  #state: State = start;
  #changed: (state: State) => void;
  #working: Record<Side, Working | null> = { first: null, second: null };
  /** The files, so that a picture that the server has dropped can be sent again. */
  #files = new Map<number, Blob>();
  #keys = 0;
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(changed: (state: State) => void, client?: Client) {
    this.#changed = changed;
    this.token = new SessionToken((open, refused) => this.dispatch({ do: 'token', open, refused }));
    this.client = client ?? new Client(this.token);
  }

  get state(): State {
    return this.#state;
  }

  dispatch(action: Action): void {
    this.#state = reduce(this.#state, action);
    const often = action.do === 'event' && (action.event.event === 'windows' || action.event.event === 'progress');
    if (!often) {
      clearTimeout(this.#later);
      this.#later = undefined;
      this.#changed(this.#state);
    } else if (this.#later === undefined) {
      // Hundreds of these events arrive in a second; they are drawn together.
      this.#later = setTimeout(() => {
        this.#later = undefined;
        this.#changed(this.#state);
      }, 40);
    }
  }

  setMode(mode: Mode): void {
    this.dispatch({ do: 'mode', mode });
    const { shown, method } = this.#state;
    const first = findRun(this.#state, shown.first);
    if (mode !== 'compare' || first === null || findRun(this.#state, shown.second)?.picture === first.picture) return;
    // The right side starts with another map of the same run.
    const seen = methodOf(first, method.first);
    const other = first.choice.methods.find((name) => name !== seen) ?? null;
    this.dispatch({ do: 'look at', side: 'first', method: seen });
    this.dispatch({ do: 'look at', side: 'second', method: other });
    this.dispatch({ do: 'show', side: 'second', run: other === null ? null : first.key });
  }

  async open(): Promise<void> {
    try {
      const info = await this.client.info();
      this.dispatch({ do: 'info', info });
      if (this.#state.choice === null) {
        const [model] = info.models;
        if (!model) throw new Error('The server has no networks.');
        this.dispatch({ do: 'choose', choice: { model: model.name, methods: pick(info.methods) } });
      }
    } catch (error) {
      this.dispatch({ do: 'trouble', text: inWords(error) });
    }
  }

  /** Explains pictures with the settings of the panel: the first at once, the others after it. */
  addPictures(files: readonly { blob: Blob; name: string }[]): void {
    const { choice, info } = this.#state;
    if (choice === null || info === null) return;
    this.dispatch({ do: 'forget notes' });
    const added: Run[] = [];
    for (const { blob, name } of files) {
      if (blob.size === 0 || blob.size > info.limits.bytes) {
        this.note(blob.size === 0 ? `${name} is empty.` : `${name} is too large: it has ${megabytes(blob.size)}; the limit of this server is ${megabytes(info.limits.bytes)}.`);
        continue;
      }
      const picture: Picture = { key: this.#key(), name, url: URL.createObjectURL(blob), info: null };
      this.#files.set(picture.key, blob);
      this.dispatch({ do: 'picture', picture });
      // The class chosen for another picture does not apply to the new one.
      added.push(newRun(this.#key(), picture.key, { ...choice, class: null, against: null }));
    }
    const [first, ...others] = added;
    if (!first) return;
    this.dispatch({ do: 'choose', choice: { class: null, against: null } });
    if (this.#state.mode === 'compare') this.dispatch({ do: 'mode', mode: 'maps' });
    for (const run of others.reverse()) this.dispatch({ do: 'add run', run, show: null });
    this.#begin(first, 'first');
  }

  /**
   * Explains the picture of a side again, with changes to the settings of the panel or to `base`. An earlier run with
   * the same settings is shown at once.
   */
  explain(changes: Partial<Choice> = {}, side: Side = 'first', base?: Choice): void {
    const shown = findRun(this.#state, this.#state.shown[side]) ?? findRun(this.#state, this.#state.shown.first);
    const from = base ?? this.#state.choice;
    if (shown === null || from === null) return;
    const choice = { ...from, ...changes };
    // With a base, the panel keeps its own methods for the next picture.
    const { model, class: one, against } = choice;
    if (side === 'first') this.dispatch({ do: 'choose', choice: base === undefined ? choice : { model, class: one, against } });
    const known = this.#state.runs.find((run) =>
      run.picture === shown.picture && run.stage !== 'failed' && run.stage !== 'stopped' && answers(asked(run, choice), choice));
    if (known) {
      this.dispatch({ do: 'show', side, run: known.key });
      if (known.stage === 'waiting') this.#begin(known, side);
      return;
    }
    this.#begin(newRun(this.#key(), shown.picture, choice), side);
    // The error of an earlier request is no longer relevant.
    if (shown.stage === 'failed' && shown.view === null) this.dispatch({ do: 'remove', run: shown.key });
  }

  /** Shows a run of the history; starts it if it waits or was stopped. */
  openRun(key: number, side: Side = 'first'): void {
    const run = findRun(this.#state, key);
    if (run === null) return;
    this.dispatch({ do: 'show', side, run: key });
    if (side === 'first') this.dispatch({ do: 'choose', choice: run.choice });
    if (run.stage === 'waiting') this.#begin(run, side);
    this.setMode(this.#state.mode);
  }

  /** Repeats a failed or stopped run. */
  retry(key: number, side: Side = 'first'): void {
    const run = findRun(this.#state, key);
    if (run !== null) this.#begin(run, side);
  }

  /** Stops a run; its finished maps stay. */
  stop(key: number): void {
    for (const side of SIDES) {
      if (this.#working[side]?.run === key) this.#halt(side, false);
    }
    this.#next();
  }

  remove(key: number): void {
    const run = findRun(this.#state, key);
    if (run === null) return;
    for (const side of SIDES) {
      if (this.#working[side]?.run === key) this.#halt(side, false);
    }
    const url = this.#state.pictures[run.picture]?.url;
    this.dispatch({ do: 'remove', run: key });
    if (!this.#state.pictures[run.picture]) {
      this.#files.delete(run.picture);
      if (url) URL.revokeObjectURL(url);
    }
    const shown = findRun(this.#state, this.#state.shown.first);
    if (shown) this.dispatch({ do: 'choose', choice: shown.choice });
    this.#next();
  }

  async window(picture: number, request: Omit<WindowRequest, 'picture'>, call: Call & { signal: AbortSignal }): Promise<WindowAnswer> {
    return this.#withPicture(picture, call.signal, (id) => this.client.window({ ...request, picture: id }, call));
  }

  note(text: string): void {
    this.dispatch({ do: 'note', text });
  }

  /** Stops everything, when the page closes. */
  close(): void {
    for (const side of SIDES) this.#working[side]?.stop.abort();
  }

  #key(): number {
    this.#keys += 1;
    return this.#keys;
  }

  #begin(run: Run, side: Side): void {
    const before = this.#working[side];
    if (before !== null && before.run !== run.key) {
      // A run from the queue that is not visible waits again; a run that the user started is stopped.
      this.#halt(side, this.#state.shown[side] !== before.run);
    } else if (before !== null) {
      before.stop.abort();
    }
    if (findRun(this.#state, run.key) === null) this.dispatch({ do: 'add run', run, show: side });
    else this.dispatch({ do: 'show', side, run: run.key });
    void this.#work(run.key, side);
  }

  #halt(side: Side, again: boolean): void {
    const working = this.#working[side];
    if (working === null) return;
    this.#working[side] = null;
    working.stop.abort();
    this.dispatch({ do: 'stop', run: working.run, again });
  }

  /** The oldest waiting picture. */
  #next(): void {
    if (this.#working.first !== null) return;
    const waiting = this.#state.runs.filter((run) => run.stage === 'waiting').at(-1);
    if (waiting) void this.#work(waiting.key, 'first');
  }

  async #work(key: number, side: Side): Promise<void> {
    const stop = new AbortController();
    const working = { run: key, stop };
    this.#working[side] = working;
    this.dispatch({ do: 'start', run: key });
    const run = findRun(this.#state, key);
    if (run === null) return;
    const { signal } = stop;
    const call = {
      signal,
      onBusy: (seconds: number | null) => this.dispatch({ do: 'busy', run: key, seconds }),
    };
    try {
      await this.#withPicture(run.picture, signal, async (id) => {
        for await (const event of this.client.explain(requestOf(id, run.choice), call)) {
          if (signal.aborted) return;
          this.dispatch({ do: 'event', run: key, event });
        }
      });
    } catch (error) {
      if (!signal.aborted && !wasStopped(error)) this.dispatch({ do: 'fail', run: key, error: inWords(error) });
    }
    if (this.#working[side] === working) {
      this.#working[side] = null;
      if (side === 'first') this.#next();
    }
  }

  /** Makes a request about a picture; sends the picture first if the server does not have it. */
  async #withPicture<T>(key: number, signal: AbortSignal, ask: (id: string) => Promise<T>): Promise<T> {
    const known = this.#state.pictures[key]?.info?.id;
    if (known !== undefined) {
      try {
        return await ask(known);
      } catch (error) {
        if (!(error instanceof Refusal && error.status === 404) || !this.#files.has(key)) throw error;
      }
    }
    const picture = this.#state.pictures[key];
    const file = this.#files.get(key);
    if (!picture || !file) throw new Error('This picture is no longer in the page; add it again.');
    const info = await this.client.addPicture(file, picture.name, { signal });
    this.dispatch({ do: 'picture sent', picture: key, info });
    return ask(info.id);
  }
}

/** The choice of a run; the most probable class is replaced by its index if another choice names it. */
function asked(run: Run, choice: Choice): Choice {
  return run.choice.class === null && choice.class !== null && run.view !== null
    ? { ...run.choice, class: run.view.class }
    : run.choice;
}

/** Whether the results for one choice include those for another. */
export function answers(made: Choice, asked: Choice): boolean {
  return made.model === asked.model
    && made.class?.index === asked.class?.index
    && made.against?.index === asked.against?.index
    && asked.methods.every((method) => made.methods.includes(method))
    && asked.checks.every((check) => made.checks.includes(check))
    && JSON.stringify(sortedOptions(made, asked.methods)) === JSON.stringify(sortedOptions(asked, asked.methods));
}

function sortedOptions(choice: Choice, methods: string[]): [string, string][] {
  return Object.entries(choice.options)
    .filter(([name]) => methods.includes(name.slice(0, name.lastIndexOf('.'))))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

export function requestOf(picture: string, choice: Choice): ExplainRequest {
  const options = Object.fromEntries(sortedOptions(choice, choice.methods));
  return {
    picture,
    model: choice.model,
    methods: choice.methods,
    ...(choice.class ? { class: choice.class.index } : {}),
    ...(choice.against ? { against: choice.against.index } : {}),
    ...(Object.keys(options).length > 0 ? { options } : {}),
    ...(choice.checks.length > 0 ? { checks: choice.checks } : {}),
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
