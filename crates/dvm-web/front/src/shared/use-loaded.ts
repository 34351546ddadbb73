import { useEffect, useState } from 'preact/hooks';
import { loadCrop } from './crop.ts';
import { loadMap, type LoadedMap } from './loaded-map.ts';
import type { ExplanationView, MapView } from './types.ts';

/** The crop and the maps of a view as they become ready. */
export interface Loaded {
  picture: ImageData | null;
  /** In the order of `view.maps`: null while a map is unpacked, an `Error` if that failed. */
  maps: (LoadedMap | Error | null)[];
  /** Why the picture cannot be drawn. */
  problem: string | null;
}

export function useLoaded(view: Pick<ExplanationView, 'input' | 'size' | 'maps'>): Loaded {
  const { input, size, maps } = view;
  const [rows, columns] = size;
  const [crop, setCrop] = useState<{ of: string; picture: ImageData | null; problem: string | null } | null>(null);
  const [ready, setReady] = useState<ReadonlyMap<MapView, LoadedMap | Error>>(new Map());

  useEffect(() => {
    let current = true;
    loadCrop(input, [rows, columns]).then(
      (picture) => current && setCrop({ of: input, picture, problem: null }),
      (error) => current && setCrop({ of: input, picture: null, problem: `The picture cannot be drawn: ${error}` }),
    );
    return () => {
      current = false;
    };
  }, [input, rows, columns]);

  useEffect(() => {
    let current = true;
    Promise.all(
      maps.map(async (map): Promise<[MapView, LoadedMap | Error]> => {
        try {
          return [map, await loadMap(map)];
        } catch (error) {
          return [map, error instanceof Error ? error : new Error(String(error))];
        }
      }),
    ).then((entries) => current && setReady(new Map(entries)));
    return () => {
      current = false;
    };
  }, [maps]);

  const isCurrent = crop?.of === input;
  return {
    picture: isCurrent ? crop.picture : null,
    maps: maps.map((map) => ready.get(map) ?? null),
    problem: isCurrent ? crop.problem : null,
  };
}
