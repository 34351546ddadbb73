import { useEffect, useMemo, useState } from 'preact/hooks';
import { defaultSettings } from '../shared/viewer-settings.ts';
import { readPalettes } from '../shared/colours.ts';
import { AnswerPanel } from './AnswerPanel.tsx';
import { CameraDialog } from './CameraDialog.tsx';
import { Compare } from './Compare.tsx';
import { History } from './History.tsx';
import { LiveWindow } from './LiveWindow.tsx';
import { PageHeader } from './PageHeader.tsx';
import { AddPicture, DropEverywhere } from './AddPicture.tsx';
import { RunStage } from './RunStage.tsx';
import { Session } from './session.ts';
import { SettingsPanel } from './SettingsPanel.tsx';
import { start, runOf } from './state.ts';
import { TokenDialog } from './TokenDialog.tsx';

export function App() {
  const [state, setState] = useState(start);
  const session = useMemo(() => new Session(setState), []);
  const [settings, setSettings] = useState(defaultSettings);
  const [camera, setCamera] = useState(false);

  useEffect(() => {
    void session.open();
    const close = (event: PageTransitionEvent) => {
      // A page in the browser's cache can be shown again.
      if (!event.persisted) session.close();
    };
    addEventListener('pagehide', close);
    return () => removeEventListener('pagehide', close);
  }, [session]);

  // The focused element may be gone: focuses the picture.
  useEffect(() => {
    if (document.activeElement === document.body) document.getElementById('stage')?.focus({ preventScroll: true });
  }, [state.runs.length]);

  const palettes = useMemo(() => (state.info ? readPalettes(state.info.colours) : []), [state.info]);
  const run = runOf(state, 'first');
  const look = { palettes, settings, onSettings: setSettings };
  const openCamera = () => setCamera(true);

  return (
    <div class="page">
      <a class="page-skip" href="#stage">Skip to the picture</a>
      <PageHeader state={state} session={session} onCamera={openCamera} />
      {state.trouble !== null && (
        <p class="page-trouble" role="alert">
          {state.trouble} <button type="button" onClick={() => void session.open()}>Try again</button>
        </p>
      )}
      {state.notes.length > 0 && (
        <div class="page-notes" role="alert">
          {state.notes.map((note) => <p key={note}>{note}</p>)}
          <button type="button" onClick={() => session.dispatch({ do: 'forget notes' })}>Close</button>
        </div>
      )}
      <div class={`page-desk page-desk-${run ? state.mode : 'empty'}`}>
        {run && <History state={state} session={session} palettes={palettes} />}
        <main id="stage" class="page-stage" tabIndex={-1}>
          {!run && <AddPicture session={session} ready={state.info !== null} onCamera={openCamera} />}
          {run && state.mode === 'maps' && <RunStage run={run} state={state} session={session} {...look} />}
          {run && state.mode === 'window' && <LiveWindow run={run} session={session} />}
          {run && state.mode === 'compare' && <Compare state={state} session={session} {...look} />}
        </main>
        {(run === null || state.mode === 'maps') && (
          <aside class="page-side" aria-label="Prediction and settings">
            {run && <AnswerPanel run={run} session={session} />}
            {state.info && state.choice && <SettingsPanel info={state.info} choice={state.choice} run={run} session={session} />}
          </aside>
        )}
      </div>
      <footer class="page-footer">
        <p>
          Pictures are sent only to this <code>dvm serve</code>, which keeps the latest ones in memory.
        </p>
        {state.info && <p class="page-soft">dvm {state.info.version}</p>}
      </footer>
      <div class="for-readers" role="status" aria-live="polite">{state.said}</div>
      <DropEverywhere session={session} />
      {camera && <CameraDialog onPicture={(blob, name) => session.addPictures([{ blob, name }])} onClose={() => setCamera(false)} />}
      {state.token.open && <TokenDialog refused={state.token.refused} onToken={(token) => session.token.give(token)} />}
    </div>
  );
}
