import type { TokenKeeper } from './client.ts';

const KEY = 'dvm-token';

/** Keeps the server's token until the tab is closed, and asks the user for it when it is needed. */
export class SessionToken implements TokenKeeper {
  #question: { promise: Promise<string>; answer: (token: string) => void } | null = null;
  readonly #onQuestion: (open: boolean, refused: boolean) => void;
  readonly #store: Pick<Storage, 'getItem' | 'setItem'>;

  constructor(onQuestion: (open: boolean, refused: boolean) => void, store: Pick<Storage, 'getItem' | 'setItem'> = globalThis.sessionStorage) {
    this.#onQuestion = onQuestion;
    this.#store = store;
  }

  get(): string | null {
    return this.#store.getItem(KEY);
  }

  ask(): Promise<string> {
    if (this.#question === null) {
      let answer: (token: string) => void = () => undefined;
      const promise = new Promise<string>((resolve) => { answer = resolve; });
      this.#question = { promise, answer };
      this.#onQuestion(true, this.get() !== null);
    }
    return this.#question.promise;
  }

  /** Sets the token that the user typed. */
  give(token: string): void {
    this.#store.setItem(KEY, token);
    const question = this.#question;
    this.#question = null;
    this.#onQuestion(false, false);
    question?.answer(token);
  }
}
