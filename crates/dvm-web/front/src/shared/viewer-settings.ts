import type { Mode } from './overlay.ts';

/** The settings of a viewer. The app keeps them for the next picture. */
export interface Settings {
  mode: Mode;
  /** Opacity of the overlay on the grey picture, 0 … 1. */
  opacity: number;
  /** Largest opacity of the overlay on the colour picture, 0 … 1. */
  strongest: number;
  /** Names of the chosen colour maps; null for each map's own. */
  sequential: string | null;
  diverging: string | null;
  scale: 'own' | 'shared';
  /** Whether coarse maps are smooth between their cells. */
  smooth: boolean;
  /** Whether the borders of segments are drawn. */
  borders: boolean;
}

/** The settings of dvm's figures. */
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
