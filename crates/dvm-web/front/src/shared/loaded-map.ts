import { unpack, type Grid } from './packed.ts';
import { summarise, type Summary } from './summary.ts';
import type { MapView } from './types.ts';

/** A map with its arrays unpacked. */
export interface LoadedMap {
  view: MapView;
  values: Grid;
  smooth: Grid | null;
  segments: Grid | null;
  /** `[classes, rows of cells, columns of cells]`. */
  cells: Grid | null;
  summary: Summary;
}

const loaded = new WeakMap<MapView, Promise<LoadedMap>>();

/** Unpacks the arrays of a map, once per map. */
export function loadMap(view: MapView): Promise<LoadedMap> {
  let promise = loaded.get(view);
  if (!promise) {
    promise = load(view);
    loaded.set(view, promise);
  }
  return promise;
}

async function load(view: MapView): Promise<LoadedMap> {
  const optional = (packed: MapView['smooth']) => (packed ? unpack(packed) : null);
  const [values, smooth, segments, cells] = await Promise.all([
    unpack(view.values),
    optional(view.smooth),
    optional(view.segments),
    optional(view.cells?.values ?? null),
  ]);
  // Indices of segments are integers; packing may have rounded them.
  if (segments) segments.values.forEach((value, i) => (segments.values[i] = Math.round(value)));
  return { view, values, smooth, segments, cells, summary: summarise(values) };
}
