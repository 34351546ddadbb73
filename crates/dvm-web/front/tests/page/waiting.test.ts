import { expect, test } from 'vitest';
import { secondsToWait, wait } from '../../src/page/waiting.ts';

test('Retry-After is seconds or a date, between one second and one minute', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(secondsToWait('7', now)).toBe(7);
  expect(secondsToWait('0', now)).toBe(1);
  expect(secondsToWait('86400', now)).toBe(60);
  expect(secondsToWait('Thu, 01 Jan 2026 00:00:05 GMT', now)).toBe(5);
  expect(secondsToWait(null, now)).toBe(1);
  expect(secondsToWait('soon', now)).toBe(1);
});

test('waiting ends at once when it is stopped', async () => {
  const stop = new AbortController();
  const waiting = wait(60_000, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow();
  await expect(wait(60_000, stop.signal)).rejects.toThrow();
});
