import { expect, test } from 'vitest';
import { lines } from '../../src/page/lines.ts';

function streamOf(chunks: Uint8Array[], cancelled: () => void = () => undefined): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[next++];
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
    cancel: cancelled,
  });
}

async function all(chunks: Uint8Array[]): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines(streamOf(chunks))) found.push(line);
  return found;
}

const bytes = (text: string) => new TextEncoder().encode(text);

test('lines do not depend on where chunks end, even within a character', async () => {
  const whole = bytes('{"name":"épagneul"}\n{"drop":"−0,5 🐈"}\r\n\n{"last":true}');
  for (let first = 0; first <= whole.length; first++) {
    for (const second of [first, Math.min(first + 1, whole.length), Math.min(first + 7, whole.length)]) {
      const parts = [whole.slice(0, first), whole.slice(first, second), whole.slice(second)].filter(({ length }) => length > 0);
      expect(await all(parts)).toEqual(['{"name":"épagneul"}', '{"drop":"−0,5 🐈"}', '{"last":true}']);
    }
  }
});

test('a line is returned before the next chunk arrives', async () => {
  let give: (chunk: Uint8Array) => void = () => undefined;
  const stream = new ReadableStream<Uint8Array>({ start: (controller) => { give = (chunk) => controller.enqueue(chunk); } });
  const reading = lines(stream);
  give(bytes('1\n2'));
  expect((await reading.next()).value).toBe('1');
  give(bytes('3\n'));
  expect((await reading.next()).value).toBe('23');
});

test('a reader that stops early stops the stream', async () => {
  let cancelled = false;
  const stream = streamOf([bytes('1\n'), bytes('2\n')], () => { cancelled = true; });
  for await (const line of lines(stream)) {
    expect(line).toBe('1');
    break;
  }
  expect(cancelled).toBe(true);
});
