import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Client, Refusal, type TokenKeeper } from '../../src/page/client.ts';
import { Session } from '../../src/page/session.ts';
import { runOf, type State } from '../../src/page/state.ts';
import { SessionToken } from '../../src/page/token.ts';
import { createMock } from './mock-server.mjs';

// Longer than the limit of `until`, whose error has more detail.
vi.setConfig({ testTimeout: 30_000 });

const NO_TOKEN: TokenKeeper = { get: () => null, ask: () => Promise.reject(new Error('no token was expected')) };
const PICTURE = new Blob([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1, 2, 3])]);
const soon = (milliseconds: number) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

let close: () => void = () => undefined;
beforeEach(() => {
  URL.createObjectURL = () => 'blob:test';
  URL.revokeObjectURL = () => undefined;
});
afterEach(() => close());

async function serve(options: Parameters<typeof createMock>[0] = {}) {
  const mock = createMock(options);
  await new Promise<void>((resolve) => { mock.server.listen(0, '127.0.0.1', resolve); });
  close = () => {
    mock.server.close();
    mock.server.closeAllConnections();
  };
  return { ...mock, base: `http://127.0.0.1:${(mock.server.address() as AddressInfo).port}` };
}

/** Waits for a state; the error shows the actual state. */
async function until(session: Session, reached: (state: State) => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!reached(session.state)) {
    if (Date.now() > end) {
      const runs = session.state.runs.map(({ stage, error, view, progress }) => ({ stage, error, maps: view?.maps.length, progress }));
      throw new Error(`not reached: ${JSON.stringify({ runs, shown: session.state.shown, notes: session.state.notes })}`);
    }
    await soon(10);
  }
}

const finished = (state: State) => state.runs.length > 0 && state.runs.every(({ stage }) => stage === 'done');

async function opened(base: string, tokens: TokenKeeper = NO_TOKEN): Promise<Session> {
  const session = new Session(() => undefined, new Client(tokens, { base }));
  await session.open();
  return session;
}

test('a busy server is tried again after the time in its answer', async () => {
  const { base, counts } = await serve({ busy: 2, retryAfter: '3' });
  const waited: number[] = [];
  const told: (number | null)[] = [];
  const client = new Client(NO_TOKEN, { base, wait: (milliseconds) => { waited.push(milliseconds); return Promise.resolve(); } });
  const { id } = await client.addPicture(PICTURE, 'cat.png');
  const kinds: string[] = [];
  for await (const { event } of client.explain({ picture: id, model: 'efficientnet_lite0', methods: ['grad-cam'] }, { onBusy: (seconds) => told.push(seconds) })) kinds.push(event);
  expect(waited).toEqual([3000, 3000]);
  expect(told).toEqual([3, 3, null]);
  expect(kinds).toEqual(['prediction', 'progress', 'progress', 'progress', 'progress', 'map', 'done']);
  expect(counts.explain).toBe(1);
});

test('an error has the text of the server', async () => {
  const { base } = await serve();
  const client = new Client(NO_TOKEN, { base });
  await expect(client.addPicture(new Blob(['text']), 'notes.txt')).rejects.toEqual(new Refusal(422, 'notes.txt: this is not a picture that can be read'));
});

test('the token is asked for once, and again if it is wrong', async () => {
  const { base } = await serve({ token: 'right' });
  const kept = new Map<string, string>();
  const questions: boolean[] = [];
  const typed = ['wrong', 'right'];
  const token: SessionToken = new SessionToken(
    (open, refused) => {
      if (!open) return;
      questions.push(refused);
      setTimeout(() => token.give(typed.shift()!), 5);
    },
    { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => { kept.set(key, value); } },
  );
  const client = new Client(token, { base });
  const [info, classes] = await Promise.all([client.info(), client.classes('efficientnet_lite0', 'tabby', 5)]);
  expect(info.models.length).toBe(2);
  expect(classes).toEqual([{ index: 281, name: 'tabby' }]);
  expect(questions).toEqual([false, true]);
});

test('a connection that ends early is an error', async () => {
  const body = new ReadableStream({ start(controller) { controller.enqueue(new TextEncoder().encode('{"event":"progress"}\n')); controller.close(); } });
  const client = new Client(NO_TOKEN, { fetch: () => Promise.resolve(new Response(body)) });
  const read = async () => { for await (const _ of client.explain({ picture: 'p', model: 'm', methods: [] })) void _; };
  await expect(read()).rejects.toThrow('closed before');
});

test('several pictures are explained one after the other, and the first is shown', async () => {
  const { base, counts } = await serve();
  const session = await opened(base);
  session.addPictures(['a.png', 'b.png', 'c.png'].map((name) => ({ blob: PICTURE, name })));
  expect(session.state.runs.map(({ stage }) => stage)).toEqual(['running', 'waiting', 'waiting']);
  await until(session, finished);
  expect(runOf(session.state, 'first')!.view!.name).toBe('a.png');
  expect(runOf(session.state, 'first')!.view!.maps.map(({ method }) => method)).toEqual(['grad-cam', 'guided-backprop', 'occlusion']);
  expect(counts.explain).toBe(3);
});

test('another class stops the running explanation, and going back computes nothing', async () => {
  const { base, counts } = await serve({ slow: 5 });
  const session = await opened(base);
  session.addPictures([{ blob: PICTURE, name: 'a.png' }]);
  await until(session, (state) => (runOf(state, 'first')?.view?.maps.length ?? 0) > 0);
  session.explain({ class: { index: 285, name: 'Egyptian cat' } });
  await until(session, (state) => runOf(state, 'first')!.stage === 'done');
  expect(session.state.runs.map(({ stage }) => stage)).toEqual(['done', 'stopped']);
  expect(counts.aborted).toBe(1);
  expect(runOf(session.state, 'first')!.view!.title).toBe('Egyptian cat');
  session.explain({ class: { index: 285, name: 'Egyptian cat' }, methods: ['occlusion'] });
  expect(runOf(session.state, 'first')!.stage).toBe('done');
  expect(counts.explain).toBe(2);
});

test('a picture that the server has dropped is sent again', async () => {
  const { base, forget } = await serve();
  const session = await opened(base);
  session.addPictures([{ blob: PICTURE, name: 'a.png' }]);
  await until(session, finished);
  forget();
  session.explain({ class: { index: 281, name: 'tabby' } });
  await until(session, (state) => runOf(state, 'first')!.stage === 'done');
  expect(runOf(session.state, 'first')!.view!.title).toBe('tabby');
});

test('a file that is too large is not sent', async () => {
  const { base } = await serve();
  const session = await opened(base);
  session.addPictures([{ blob: { size: 30e6 } as Blob, name: 'huge.png' }, { blob: PICTURE, name: 'a.png' }]);
  await until(session, finished);
  expect(session.state.notes).toEqual(['huge.png is too large: it has 30.0 MB; the limit of this server is 20.0 MB.']);
  expect(session.state.runs.length).toBe(1);
});

test('the right side of a comparison starts with another map, and can have a separate explanation', async () => {
  const { base } = await serve();
  const session = await opened(base);
  session.addPictures([{ blob: PICTURE, name: 'a.png' }]);
  await until(session, finished);
  session.setMode('compare');
  expect(session.state.method).toEqual({ first: 'grad-cam', second: 'guided-backprop' });
  expect(session.state.shown.second).toBe(session.state.shown.first);
  session.explain({ model: 'squeezenet1_1', methods: ['grad-cam'] }, 'second');
  await until(session, (state) => runOf(state, 'second')!.stage === 'done');
  expect(runOf(session.state, 'second')!.choice.model).toBe('squeezenet1_1');
  expect(runOf(session.state, 'first')!.choice.model).toBe('efficientnet_lite0');
});

test('a stopped run keeps its finished maps, and waiting pictures follow', async () => {
  const { base } = await serve({ slow: 5 });
  const session = await opened(base);
  session.addPictures(['a.png', 'b.png'].map((name) => ({ blob: PICTURE, name })));
  const first = runOf(session.state, 'first')!.key;
  await until(session, (state) => (runOf(state, 'first')?.view?.maps.length ?? 0) === 1);
  session.stop(first);
  expect([runOf(session.state, 'first')!.stage, runOf(session.state, 'first')!.view!.maps.length]).toEqual(['stopped', 1]);
  await until(session, (state) => state.runs.some(({ stage }) => stage === 'done'));
  expect(session.state.runs.map(({ stage }) => stage)).toEqual(['stopped', 'done']);
});

test('the methods of the panel stay when another class of a run is explained', async () => {
  const { base } = await serve();
  const session = await opened(base);
  session.addPictures([{ blob: PICTURE, name: 'a.png' }]);
  await until(session, finished);
  session.dispatch({ do: 'choose', choice: { methods: ['rise'] } });
  session.explain({ class: { index: 281, name: 'tabby' } }, 'first', runOf(session.state, 'first')!.choice);
  expect(runOf(session.state, 'first')!.choice.methods).toEqual(['grad-cam', 'guided-backprop', 'occlusion']);
  expect(session.state.choice).toMatchObject({ methods: ['rise'], class: { index: 281 } });
  await until(session, finished);
});

test('the class that is the most probable one is not computed again', async () => {
  const { base, counts } = await serve();
  const session = await opened(base);
  session.addPictures([{ blob: PICTURE, name: 'a.png' }]);
  await until(session, finished);
  const { class: top } = runOf(session.state, 'first')!.view!;
  session.explain({ class: { index: top.index, name: top.name } });
  expect(counts.explain).toBe(1);
  expect(session.state.runs.length).toBe(1);
});

test('a run with an invalid option leaves the history when it is corrected', async () => {
  const { base } = await serve();
  const session = await opened(base);
  session.addPictures([{ blob: PICTURE, name: 'a.png' }]);
  await until(session, finished);
  session.explain({ options: { 'occlusion.window': 'abc' } });
  await until(session, (state) => runOf(state, 'first')!.stage === 'failed');
  expect(runOf(session.state, 'first')!.error).toBe('the option `window` does not take `abc`');
  session.explain({ options: { 'occlusion.window': '32' } });
  await until(session, finished);
  expect(session.state.runs.map(({ choice }) => choice.options)).toEqual([{ 'occlusion.window': '32' }, {}]);
});
