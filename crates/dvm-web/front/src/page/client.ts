import type {
  ClassList, ExplainEvent, ExplainRequest, Info, PictureInfo, Problem, WindowAnswer, WindowRequest,
} from '../shared/types.ts';
import { lines } from './lines.ts';
import { secondsToWait, wait } from './waiting.ts';

/** An error answer of the server. `message` is the server's text. */
export class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The token of the server, if it needs one. */
export interface TokenKeeper {
  get(): string | null;
  /** Asks the user. Several requests at the same time share one question. */
  ask(): Promise<string>;
}

export interface Call {
  signal?: AbortSignal;
  /** Called with the seconds until the next try if the server is busy, and with null when it continues. */
  onBusy?: (seconds: number | null) => void;
}

/** The number of tries at a busy server before its answer is shown as an error. */
const TRIES = 20;

/** The requests to the server. Every method fails with a `Refusal`, or with a `TypeError` without a connection. */
export class Client {
  readonly #tokens: TokenKeeper;
  readonly #fetch: typeof fetch;
  readonly #wait: typeof wait;
  readonly #base: string;

  constructor(tokens: TokenKeeper, parts: { fetch?: typeof fetch; wait?: typeof wait; base?: string } = {}) {
    this.#tokens = tokens;
    this.#fetch = parts.fetch ?? ((input, init) => fetch(input, init));
    this.#wait = parts.wait ?? wait;
    this.#base = parts.base ?? '';
  }

  async info(): Promise<Info> {
    return (await this.#ask('/api/info', {})).json() as Promise<Info>;
  }

  async addPicture(bytes: Blob, name: string, call: Call = {}): Promise<PictureInfo> {
    const path = `/api/pictures?name=${encodeURIComponent(name)}`;
    const headers = { 'Content-Type': 'application/octet-stream' };
    return (await this.#ask(path, { method: 'POST', body: bytes, headers }, call)).json() as Promise<PictureInfo>;
  }

  /** The events of an explanation as they arrive. Fails if the stream ends before its last event. */
  async *explain(request: ExplainRequest, call: Call = {}): AsyncGenerator<ExplainEvent, void, undefined> {
    const answer = await this.#ask('/api/explain', json(request), call);
    if (answer.body === null) throw new Error('The server sent an empty answer.');
    let last = false;
    for await (const line of lines(answer.body)) {
      const event = JSON.parse(line) as ExplainEvent;
      last = event.event === 'done' || event.event === 'error';
      yield event;
    }
    if (!last) throw new Error('The connection was closed before the explanation was finished.');
  }

  async window(request: WindowRequest, call: Call = {}): Promise<WindowAnswer> {
    return (await this.#ask('/api/window', json(request), call)).json() as Promise<WindowAnswer>;
  }

  async classes(model: string, search: string, limit: number, call: Call = {}): Promise<ClassList> {
    const path = `/api/models/${encodeURIComponent(model)}/classes?search=${encodeURIComponent(search)}&limit=${limit}`;
    return (await this.#ask(path, {}, call)).json() as Promise<ClassList>;
  }

  /** One of the files of an explanation, such as `figure.png`. */
  async file(explanation: string, name: string): Promise<Blob> {
    return (await this.#ask(filePath(explanation, name), {})).blob();
  }

  /** Sends a request, with the token if needed; waits and tries again if the server is busy. */
  async #ask(path: string, init: RequestInit, call: Call = {}): Promise<Response> {
    let busy = 0;
    for (;;) {
      const sent = this.#tokens.get();
      const headers = new Headers(init.headers);
      if (sent !== null) headers.set('Authorization', `Bearer ${sent}`);
      const answer = await this.#fetch(this.#base + path, {
        ...init, headers, ...(call.signal ? { signal: call.signal } : {}),
      });
      if (answer.ok) {
        if (busy > 0) call.onBusy?.(null);
        return answer;
      }
      if (answer.status === 401) {
        // Another request may have got a token in the meantime: tries it first.
        if (this.#tokens.get() === sent) await this.#tokens.ask();
        call.signal?.throwIfAborted();
        continue;
      }
      if (answer.status === 429 && busy < TRIES) {
        busy += 1;
        const seconds = secondsToWait(answer.headers.get('Retry-After'));
        call.onBusy?.(seconds);
        await this.#wait(seconds * 1000, call.signal);
        continue;
      }
      throw new Refusal(answer.status, await told(answer));
    }
  }
}

/** The address of a file of an explanation. */
export function filePath(explanation: string, name: string): string {
  return `/api/explanations/${encodeURIComponent(explanation)}/${encodeURIComponent(name)}`;
}

function json(body: unknown): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
}

async function told(answer: Response): Promise<string> {
  const text = await answer.text().catch(() => '');
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    if (typeof problem.error === 'string') return problem.error;
  } catch {
    // Not JSON, such as the answer of a proxy.
  }
  return text.length > 0 && text.length < 300 && !text.startsWith('<') ? text : `The server answered with status ${answer.status}.`;
}

/** An error as one sentence. */
export function inWords(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  if (error instanceof TypeError) return 'The server cannot be reached. Is `dvm serve` still running?';
  return error instanceof Error ? error.message : String(error);
}

export function wasStopped(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
