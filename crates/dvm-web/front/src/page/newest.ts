/**
 * Asks one question at a time, and of those that came meanwhile only the newest.
 *
 * A pointer moves faster than any network answers: this keeps the answer as near to the pointer as it can be, and the
 * server's queue short.
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

  /** No answer is told after this. */
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
