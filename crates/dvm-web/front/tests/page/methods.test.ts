import { expect, test } from 'vitest';
import { pick, quickFirst, words } from '../../src/page/methods.ts';
import type { MethodInfo } from '../../src/shared/types.ts';

const method = (name: string, cost: string): MethodInfo =>
  ({ name, cost, title: name, summary: '', family: '', reference: '', networks: 'all', options: [] });

/** As in `dvm methods list`. */
const METHODS = [
  method('guided-backprop', '1 pass forward, 1 back'),
  method('integrated-gradients', '`steps` passes forward and back for each baseline'),
  method('deeplift', '1 pass forward, and 1 forward and 1 back for each baseline'),
  method('grad-cam', '1 pass forward, 1 back to the layer'),
  method('score-cam', '1 pass forward per channel of the layer, for all classes together'),
  method('occlusion', 'one partial forward pass per window'),
  method('rise', 'one forward pass per mask; 4,000 by default'),
];

test('methods with one pass come first, methods with a pass for each window last', () => {
  expect(quickFirst(['rise', 'occlusion', 'integrated-gradients', 'deeplift', 'guided-backprop', 'grad-cam', 'score-cam'], METHODS))
    .toEqual(['grad-cam', 'guided-backprop', 'deeplift', 'integrated-gradients', 'score-cam', 'occlusion', 'rise']);
});

test('the page opens with Grad-CAM, guided backprop and occlusion, or with other available methods', () => {
  expect(pick(METHODS)).toEqual(['grad-cam', 'guided-backprop', 'occlusion']);
  expect(pick([method('rise', 'one forward pass per mask')])).toEqual(['rise']);
});

test('only options with fixed values become lists', () => {
  expect(words('probability|logit|log-probability')).toEqual(['probability', 'logit', 'log-probability']);
  expect(words('N|HxW')).toBeNull();
  expect(words('mean|black|#RRGGBB|FILE')).toBeNull();
  expect(words('N')).toBeNull();
});
