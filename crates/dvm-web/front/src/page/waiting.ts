/** Waits, or fails at once when `signal` aborts. */
export function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason ?? new DOMException('stopped', 'AbortError'));
    };
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** The seconds to wait for a busy server: the header Retry-After, between 1 and 60. */
export function secondsToWait(retryAfter: string | null, now = Date.now()): number {
  const seconds = retryAfter === null || retryAfter.trim() === '' ? 1 : Number(retryAfter);
  const told = Number.isFinite(seconds) ? seconds : (Date.parse(retryAfter ?? '') - now) / 1000;
  return Number.isFinite(told) ? Math.min(60, Math.max(1, Math.ceil(told))) : 1;
}
