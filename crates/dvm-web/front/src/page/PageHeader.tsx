import { ThemeSwitch } from '../shared/theme.tsx';
import { CameraButton, ChooseButton } from './AddPicture.tsx';
import type { Session } from './session.ts';
import type { Mode, State } from './state.ts';

const MODES: { mode: Mode; text: string }[] = [
  { mode: 'maps', text: 'Maps' },
  { mode: 'window', text: 'Live window' },
  { mode: 'compare', text: 'Compare' },
];

export function PageHeader({ state, session, onCamera }: { state: State; session: Session; onCamera: () => void }) {
  const some = state.runs.length > 0;
  return (
    <header class="page-header">
      <p class="page-name">dvm</p>
      {some && (
        <nav class="page-modes" aria-label="View">
          {MODES.map(({ mode, text }) => (
            <button
              key={mode} type="button" aria-pressed={state.mode === mode}
              onClick={() => session.setMode(mode)}
            >
              {text}
            </button>
          ))}
        </nav>
      )}
      <div class="page-header-end">
        {some && <ChooseButton session={session} text="Add" more="pictures" />}
        {some && <CameraButton session={session} onCamera={onCamera} />}
        <ThemeSwitch />
      </div>
    </header>
  );
}
