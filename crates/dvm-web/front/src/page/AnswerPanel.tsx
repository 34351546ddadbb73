import { useState } from 'preact/hooks';
import { Bars } from '../shared/Bars.tsx';
import type { ExplanationView, Ranked } from '../shared/types.ts';
import { Downloads } from './Downloads.tsx';
import type { Session } from './session.ts';
import type { Run } from './state.ts';

/** How many classes are there at first. */
const FIRST = 5;

/** What the network says. */
export function AnswerPanel({ run, session }: { run: Run; session: Session }) {
  const view = run.view;
  const [all, setAll] = useState(false);
  return (
    <section class="page-answer" aria-labelledby="answer">
      <h2 id="answer">What the network says</h2>
      {view === null ? <p class="page-soft">{run.stage === 'failed' ? 'Nothing.' : 'It is being asked …'}</p> : (
        <>
          <Bars
            classes={all ? listed(view) : listed(view).filter(({ index }, i) => i < FIRST || index === view.class.index)}
            explained={view.class.index} trueClass={view.trueClass}
            onChoose={({ index, name }) => session.explain({ class: { index, name } }, 'first', run.choice)}
          />
          {listed(view).length > FIRST && (
            <button type="button" class="page-more" aria-expanded={all} onClick={() => setAll(!all)}>
              {all ? 'Fewer classes' : 'More classes'}
            </button>
          )}
          <p class="hint">Choose a class to explain that one.</p>
          <Downloads run={run} client={session.client} />
        </>
      )}
    </section>
  );
}

/** The most probable classes, and the explained one if it is not among them. */
function listed({ top, class: explained }: ExplanationView): Ranked[] {
  return top.some(({ index }) => index === explained.index) ? top : [...top, explained];
}
