/**
 * Sends one request at a time, then only the newest of those that arrived in the meantime.
 *
 * A pointer moves faster than a network answers: this keeps the answer close to the pointer and the server's queue
 * short.
 */
export class Newest<Question, Answer> {
  #asking = false;
  #next: { question: Question } | null = null;
  #closed = false;
  readonly #ask: (question: Question) => Promise<Answer>;
  readonly #answered: (answer: Answer, question: Question) => void;
  readonly #failed: (error: unknown) => void;

  constructor(
    ask: (question: Question) => Promise<Answer>,
    answered: (answer: Answer, question: Question) => void,
    failed: (error: unknown) => void,
  ) {
    this.#ask = ask;
    this.#answered = answered;
    this.#failed = failed;
  }

  put(question: Question): void {
    if (this.#closed) return;
    this.#next = { question };
    if (!this.#asking) void this.#run();
  }

  /** After this, no answer is reported. */
  close(): void {
    this.#closed = true;
    this.#next = null;
  }

  async #run(): Promise<void> {
    this.#asking = true;
    while (this.#next !== null) {
      const { question } = this.#next;
      this.#next = null;
      try {
        const answer = await this.#ask(question);
        if (!this.#closed) this.#answered(answer, question);
      } catch (error) {
        if (!this.#closed) this.#failed(error);
      }
    }
    this.#asking = false;
  }
}
