import type { Palette } from '../shared/colours.ts';
import { useLoaded } from '../shared/use-loaded.ts';
import type { ExplanationView } from '../shared/types.ts';
import { Icon } from './Icon.tsx';
import type { Session } from './session.ts';
import type { Run, Side, Windows } from './state.ts';
import { SweepCanvas } from './SweepCanvas.tsx';

interface Props {
  run: Run;
  session: Session;
  side?: Side;
  palettes: Palette[];
  opacity: number;
  /** Whether the windows of occlusion are drawn here, because another map is the large one. */
  small: boolean;
}

/** The methods that are not finished: how far they are, or why they failed. */
export function Making({ run, session, side = 'first', palettes, opacity, small }: Props) {
  const made = run.view?.maps.map(({ method }) => method) ?? [];
  const failed = Object.entries(run.failed);
  const left = run.stage === 'running' ? run.choice.methods.filter((method) => !made.includes(method) && !(method in run.failed)) : [];
  if (left.length === 0 && failed.length === 0) return null;
  return (
    <section class="page-making" aria-label="Methods that are not finished">
      <ul>
        {left.map((method) => {
          const progress = run.progress[method];
          const windows = run.windows[method];
          return (
            <li key={method}>
              {small && run.view && windows && (
                <Small view={run.view} method={method} windows={windows} palettes={palettes} opacity={opacity} />
              )}
              <div class="page-making-text">
                <span class="page-making-name">{progress?.title ?? method}</span>
                <span class="page-soft">{progress ? `${progress.done} of ${progress.all}` : run.view ? 'comes next' : 'waits'}</span>
                <progress
                  aria-label={`Progress of ${method}`} max={progress?.all ?? 1}
                  {...(progress ? { value: progress.done } : { value: 0 })}
                />
              </div>
            </li>
          );
        })}
        {failed.map(([method, error]) => (
          <li key={method}><p class="problem"><strong>{method}</strong>: {error}</p></li>
        ))}
      </ul>
      {left.length > 0 && (
        <button type="button" onClick={() => session.stop(side)}><Icon name="stop" /> Stop</button>
      )}
    </section>
  );
}

interface SmallProps {
  view: ExplanationView;
  method: string;
  windows: Windows[];
  palettes: Palette[];
  opacity: number;
}

function Small({ view, method, windows, palettes, opacity }: SmallProps) {
  const { picture } = useLoaded(view);
  if (!picture) return null;
  return (
    <SweepCanvas size={view.size} crop={picture} batches={windows} palettes={palettes} opacity={opacity} label={`${method}, window by window`} />
  );
}
