import { expect, test } from 'vitest';
import { methodOf, newRun, reduce, runOf, start, type Action, type Choice, type State } from '../../src/page/state.ts';
import { answers, requestOf } from '../../src/page/session.ts';
import type { ExplanationView, MapView } from '../../src/shared/types.ts';

const CHOICE: Choice = { model: 'net', methods: ['grad-cam', 'occlusion'], class: null, against: null, options: {}, checks: [] };
const map = (method: string): MapView => ({ method, title: method }) as MapView;
const VIEW = { name: 'cat.png', title: 'tabby', top: [{ index: 281, name: 'tabby', probability: 0.5 }], warnings: [{ source: 'network', text: 'a' }], maps: [] } as unknown as ExplanationView;

function after(...actions: Action[]): State {
  return actions.reduce(reduce, reduce(start, { do: 'add run', run: newRun(1, 7, CHOICE), show: 'first' }));
}

const PREDICTION: Action = { do: 'event', run: 1, event: { event: 'prediction', explanation: 'e', view: VIEW } };

test('the prediction comes before the maps, and maps are added one by one', () => {
  const predicted = after({ do: 'start', run: 1 }, PREDICTION);
  expect(runOf(predicted, 'first')!.view!.maps).toEqual([]);
  expect(predicted.said).toBe('cat.png: tabby, 50.0 percent.');
  const made = reduce(predicted, { do: 'event', run: 1, event: { event: 'map', method: 'grad-cam', map: map('grad-cam'), warnings: [{ source: 'network', text: 'a' }, { source: 'grad-cam', text: 'b' }] } });
  const run = runOf(made, 'first')!;
  expect(run.view!.maps.map(({ method }) => method)).toEqual(['grad-cam']);
  expect(run.view!.warnings.map(({ text }) => text)).toEqual(['a', 'b']);
  expect(made.said).toBe('Map 1 of 2 is finished: grad-cam.');
});

test('progress and windows of a method are removed when it finishes or fails', () => {
  const windows = [{ rows: [0, 2] as [number, number], columns: [0, 2] as [number, number], drop: 0.1 }];
  const state = after(PREDICTION,
    { do: 'event', run: 1, event: { event: 'progress', method: 'occlusion', title: 'occlusion 20/10', done: 3, all: 9 } },
    { do: 'event', run: 1, event: { event: 'windows', method: 'occlusion', windows } },
    { do: 'event', run: 1, event: { event: 'windows', method: 'occlusion', windows } });
  expect(runOf(state, 'first')!.progress).toEqual({ occlusion: { title: 'occlusion 20/10', done: 3, all: 9 } });
  expect(runOf(state, 'first')!.windows.occlusion).toEqual([windows, windows]);
  const finished = runOf(reduce(state, { do: 'event', run: 1, event: { event: 'map', method: 'occlusion', map: map('occlusion'), warnings: [] } }), 'first')!;
  expect([finished.progress, finished.windows]).toEqual([{}, {}]);
  const failed = runOf(reduce(state, { do: 'event', run: 1, event: { event: 'failed', method: 'occlusion', error: 'too large' } }), 'first')!;
  expect([failed.progress, failed.windows, failed.failed]).toEqual([{}, {}, { occlusion: 'too large' }]);
});

test('a stopped run keeps its maps; a run of the queue starts again', () => {
  const made = [{ do: 'start', run: 1 }, PREDICTION, { do: 'event', run: 1, event: { event: 'map', method: 'grad-cam', map: map('grad-cam'), warnings: [] } }] as Action[];
  const stopped = runOf(after(...made, { do: 'stop', run: 1, again: false }), 'first')!;
  expect([stopped.stage, stopped.view!.maps.length]).toEqual(['stopped', 1]);
  const again = runOf(after(...made, { do: 'stop', run: 1, again: true }), 'first')!;
  expect([again.stage, again.view]).toEqual(['waiting', null]);
});

test('the chosen method is shown when it is finished, another one until then', () => {
  const run = runOf(after(PREDICTION, { do: 'event', run: 1, event: { event: 'map', method: 'grad-cam', map: map('grad-cam'), warnings: [] } }), 'first')!;
  expect(methodOf(run, 'occlusion')).toBe('grad-cam');
  expect(methodOf(run, null)).toBe('grad-cam');
});

test('messages of invisible runs are not reported', () => {
  const state = reduce(reduce(after(PREDICTION), { do: 'add run', run: newRun(2, 8, CHOICE), show: null }), { do: 'fail', run: 2, error: 'broken' });
  expect(state.said).toBe('cat.png: tabby, 50.0 percent.');
  expect(state.runs.find(({ key }) => key === 2)!.error).toBe('broken');
});

test('removing the visible run shows its neighbour, and a picture is removed with its last run', () => {
  const picture = { key: 7, name: 'cat.png', url: 'blob:7', info: null };
  const two = after({ do: 'picture', picture }, { do: 'add run', run: newRun(2, 7, CHOICE), show: 'first' });
  const one = reduce(two, { do: 'remove', run: 2 });
  expect([one.shown.first, one.pictures[7]]).toEqual([1, picture]);
  const none = reduce(one, { do: 'remove', run: 1 });
  expect([none.shown.first, none.runs, none.pictures]).toEqual([null, [], {}]);
});

test('only options of chosen methods are sent', () => {
  const options = { 'occlusion.window': '32', 'rise.masks': '100' };
  expect(requestOf('p', { ...CHOICE, options, class: { index: 281, name: 'tabby' } }))
    .toEqual({ picture: 'p', model: 'net', methods: ['grad-cam', 'occlusion'], class: 281, options: { 'occlusion.window': '32' } });
});

test('a run is reused if it has the methods with the same class and options', () => {
  expect(answers(CHOICE, { ...CHOICE, methods: ['occlusion'] })).toBe(true);
  expect(answers({ ...CHOICE, methods: ['occlusion'] }, CHOICE)).toBe(false);
  expect(answers(CHOICE, { ...CHOICE, class: { index: 3, name: 'c' } })).toBe(false);
  expect(answers({ ...CHOICE, options: { 'occlusion.window': '32' } }, { ...CHOICE, methods: ['grad-cam'] })).toBe(true);
  expect(answers({ ...CHOICE, options: { 'occlusion.window': '32' } }, CHOICE)).toBe(false);
  expect(answers(CHOICE, { ...CHOICE, checks: ['deletion'] })).toBe(false);
});

test('a finished run stays finished if its connection ends after the last event', () => {
  const finished = after({ do: 'start', run: 1 }, PREDICTION, { do: 'event', run: 1, event: { event: 'map', method: 'grad-cam', map: map('grad-cam'), warnings: [] } }, { do: 'event', run: 1, event: { event: 'done', seconds: 1 } });
  const late: Action[] = [{ do: 'stop', run: 1, again: false }, { do: 'stop', run: 1, again: true }, { do: 'fail', run: 1, error: 'connection lost' }];
  for (const action of late) {
    const run = runOf(reduce(finished, action), 'first')!;
    expect([run.stage, run.error, run.view!.maps.length]).toEqual(['done', null, 1]);
  }
  const failed = after({ do: 'start', run: 1 }, { do: 'event', run: 1, event: { event: 'error', error: 'too large' } }, { do: 'stop', run: 1, again: true });
  expect([runOf(failed, 'first')!.stage, runOf(failed, 'first')!.error]).toEqual(['failed', 'too large']);
});
