import type { Mode } from './overlay.ts';

/** What the controls of a viewer are set to. The app keeps it, so that the next picture looks the same. */
export interface Settings {
  mode: Mode;
  /** 0 … 1, of the overlay in grey. */
  opacity: number;
  /** 0 … 1, of the overlay in colour where the map says most. */
  strongest: number;
  /** Names of the chosen colour maps; null for each map's own. */
  sequential: string | null;
  diverging: string | null;
  scale: 'own' | 'shared';
  /** Whether coarse maps are smooth between their cells. */
  smooth: boolean;
  /** Whether borders of segments are drawn. */
  borders: boolean;
}

/** As the program's own figures. */
export const defaultSettings: Settings = {
  mode: 'overlay',
  opacity: 0.45,
  strongest: 0.85,
  sequential: null,
  diverging: null,
  scale: 'own',
  smooth: true,
  borders: false,
};
