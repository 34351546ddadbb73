import { expect, test } from 'vitest';
import { Newest } from '../../src/page/newest.ts';

/** Requests that the test answers. */
function asking() {
  const open: { question: number; answer: (answer: string) => void; fail: (error: Error) => void }[] = [];
  const asked: number[] = [];
  const ask = (question: number) => new Promise<string>((answer, fail) => {
    asked.push(question);
    open.push({ question, answer, fail });
  });
  return { open, asked, ask };
}

const settled = () => new Promise((resolve) => { setTimeout(resolve, 0); });

test('one request at a time, then only the newest waiting one', async () => {
  const { open, asked, ask } = asking();
  const answers: string[] = [];
  const newest = new Newest(ask, (answer) => answers.push(answer), () => undefined);
  for (const place of [1, 2, 3, 4]) newest.put(place);
  expect(asked).toEqual([1]);
  open[0]!.answer('one');
  await settled();
  expect(asked).toEqual([1, 4]);
  newest.put(5);
  newest.put(6);
  open[1]!.answer('four');
  await settled();
  open[2]!.answer('six');
  await settled();
  expect(asked).toEqual([1, 4, 6]);
  expect(answers).toEqual(['one', 'four', 'six']);
});

test('after a failure the newest request is still sent', async () => {
  const { open, asked, ask } = asking();
  const failures: unknown[] = [];
  const answers: string[] = [];
  const newest = new Newest(ask, (answer) => answers.push(answer), (error) => failures.push(error));
  newest.put(1);
  newest.put(2);
  open[0]!.fail(new Error('full'));
  await settled();
  expect(failures).toEqual([new Error('full')]);
  expect(asked).toEqual([1, 2]);
  open[1]!.answer('two');
  await settled();
  expect(answers).toEqual(['two']);
});

test('nothing is reported after closing', async () => {
  const { open, asked, ask } = asking();
  const told: unknown[] = [];
  const newest = new Newest(ask, (answer) => told.push(answer), (error) => told.push(error));
  newest.put(1);
  newest.put(2);
  newest.close();
  open[0]!.answer('late');
  await settled();
  newest.put(3);
  expect(asked).toEqual([1]);
  expect(told).toEqual([]);
});
