import type { Palette } from './colours.ts';
import type { Mode } from './overlay.ts';
import type { Settings } from './viewer-settings.ts';

interface Props {
  settings: Settings;
  onSettings: (settings: Settings) => void;
  /** Colour maps that fit the shown map; the first is its own. */
  palettes: Palette[];
  diverging: boolean;
  hasSegments: boolean;
  /** The maps that share a scale, such as `the 12 pictures of the list`. */
  sharedBy: string;
}

const MODES: [Mode, string][] = [
  ['overlay', 'on the grey picture'],
  ['colour', 'on the colour picture'],
  ['map', 'map only'],
  ['picture', 'picture only'],
];

export function ViewerControls({ settings, onSettings, palettes, diverging, hasSegments, sharedBy }: Props) {
  const change = (changed: Partial<Settings>) => onSettings({ ...settings, ...changed });
  const isColour = settings.mode === 'colour';
  const opacity = Math.round((isColour ? settings.strongest : settings.opacity) * 100);
  const kind = diverging ? 'diverging' : 'sequential';
  return (
    <div class="controls" role="group" aria-label="How the maps are drawn">
      <label class="field">
        Show the map
        <select value={settings.mode} onChange={(event) => change({ mode: event.currentTarget.value as Mode })}>
          {MODES.map(([mode, title]) => (
            <option key={mode} value={mode}>{title}</option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>
          {isColour ? 'Largest opacity' : 'Opacity'} <output>{opacity} %</output>
        </span>
        <input
          type="range"
          min={0}
          max={100}
          value={opacity}
          disabled={settings.mode === 'map' || settings.mode === 'picture'}
          onInput={(event) => {
            const chosen = event.currentTarget.valueAsNumber / 100;
            change(isColour ? { strongest: chosen } : { opacity: chosen });
          }}
        />
      </label>
      <label class="field">
        {diverging ? 'Colours of signed maps' : 'Colours'}
        <select value={settings[kind] ?? ''} onChange={(event) => change({ [kind]: event.currentTarget.value || null })}>
          <option value="">as in the figures</option>
          {palettes.map(({ name }) => (
            <option key={name} value={name}>{name}</option>
          ))}
        </select>
      </label>
      <label class="field">
        Scale
        <select value={settings.scale} onChange={(event) => change({ scale: event.currentTarget.value as Settings['scale'] })}>
          <option value="own">separate for each map</option>
          <option value="shared">shared by {sharedBy}</option>
        </select>
      </label>
      <label class="choice">
        <input type="checkbox" checked={settings.smooth} onChange={(event) => change({ smooth: event.currentTarget.checked })} />
        Smooth between cells and pixels
      </label>
      {hasSegments && (
        <label class="choice">
          <input type="checkbox" checked={settings.borders} onChange={(event) => change({ borders: event.currentTarget.checked })} />
          Borders of segments
        </label>
      )}
    </div>
  );
}
