import type { Palette } from '../shared/colours.ts';
import { Icon } from './Icon.tsx';
import type { Session } from './session.ts';
import { runOf, type Run, type State } from './state.ts';
import { Thumbnail } from './Thumbnail.tsx';

/** All explanations since the page was opened. A click shows one again without computing it. */
export function History({ state, session, palettes }: { state: State; session: Session; palettes: Palette[] }) {
  const shown = runOf(state, 'first');
  return (
    <nav class="page-history" aria-labelledby="history">
      <h2 id="history">History</h2>
      <ol>
        {state.runs.map((run) => (
          <li key={run.key} class={run === shown ? 'page-shown' : ''}>
            <button
              type="button" class="page-history-open" aria-current={run === shown ? 'true' : undefined}
              onClick={() => session.openRun(run.key)}
            >
              <Thumbnail run={run} picture={state.pictures[run.picture] ?? null} palettes={palettes} />
              <span class="page-history-text">
                <span class="page-history-title">{run.view?.title ?? state.pictures[run.picture]?.name}</span>
                <span class="page-history-methods">{stageOf(run)}</span>
              </span>
            </button>
            <button
              type="button" class="page-history-remove" aria-label={`Remove ${run.view?.title ?? 'the picture'} from the history`}
              onClick={() => session.remove(run.key)}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ol>
      <p class="hint">The history is kept in this tab only, until it is closed.</p>
    </nav>
  );
}

function stageOf(run: Run): string {
  if (run.stage === 'waiting') return 'waiting';
  if (run.stage === 'failed') return 'failed';
  const made = run.view?.maps.map(({ title }) => title).join(', ') ?? '';
  if (run.stage === 'running') return made === '' ? 'in progress …' : `${made} …`;
  return made === '' ? 'stopped' : made;
}
