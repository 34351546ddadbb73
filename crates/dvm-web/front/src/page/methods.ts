import type { MethodInfo } from '../shared/types.ts';

/** The methods that are chosen at first, if the server has them. */
const USUAL = ['grad-cam', 'guided-backprop', 'occlusion'];

/**
 * How slow a method is, from the description of its cost: a fixed number of passes is quick, a number of passes for
 * each step or sample is slow, one pass for each window or mask is slower.
 */
export function slowness({ cost }: MethodInfo): number {
  if (/^\d+ pass(es)? forward per\b|^one\b/.test(cost)) return 3;
  if (/`|\bper\b/.test(cost)) return 2;
  return /^1 pass forward(, 1 back\b.*)?$/.test(cost) ? 0 : 1;
}

/** The methods with quick ones first, so that the first map appears soon. */
export function quickFirst(names: readonly string[], methods: readonly MethodInfo[]): string[] {
  const place = new Map(methods.map((method, index) => [method.name, { slow: slowness(method), index }]));
  return [...names].sort((a, b) => {
    const [x, y] = [place.get(a), place.get(b)];
    if (!x || !y) return 0;
    // Class activation maps are quicker than others of the same cost, because they stop at a layer.
    return x.slow - y.slow || Number(!a.endsWith('cam')) - Number(!b.endsWith('cam')) || x.index - y.index;
  });
}

/** The methods that are chosen when the page opens. */
export function pick(methods: readonly MethodInfo[]): string[] {
  const usual = methods.map((method) => method.name).filter((name) => USUAL.includes(name));
  const first = usual.length > 0 ? usual : methods.slice(0, 1).map((method) => method.name);
  return quickFirst(first, methods);
}

/** Families with their methods, in the order of the list. */
export function families(methods: readonly MethodInfo[]): { family: string; methods: MethodInfo[] }[] {
  const groups = new Map<string, MethodInfo[]>();
  for (const method of methods) groups.set(method.family, [...(groups.get(method.family) ?? []), method]);
  return [...groups].map(([family, members]) => ({ family: family.charAt(0).toUpperCase() + family.slice(1), methods: members }));
}

/** The values of an option, if it has only fixed values: `mean|black`, but not `N|HxW`. */
export function words(takes: string): string[] | null {
  const parts = takes.split('|');
  return parts.length > 1 && parts.every((part) => /^[a-z][a-z0-9-]*$/.test(part)) ? parts : null;
}
