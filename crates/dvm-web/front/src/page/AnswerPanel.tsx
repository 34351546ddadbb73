import { useState } from 'preact/hooks';
import { Bars } from '../shared/Bars.tsx';
import type { ExplanationView, Ranked } from '../shared/types.ts';
import { Downloads } from './Downloads.tsx';
import type { Session } from './session.ts';
import type { Run } from './state.ts';

/** The number of classes before "More classes". */
const FIRST = 5;

/** The prediction of the network. */
export function AnswerPanel({ run, session }: { run: Run; session: Session }) {
  const view = run.view;
  const [all, setAll] = useState(false);
  return (
    <section class="page-answer" aria-labelledby="answer">
      <h2 id="answer">Prediction</h2>
      {view === null ? <p class="page-soft">{run.stage === 'failed' ? 'There is no prediction.' : 'Classifying …'}</p> : (
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
          <p class="hint">Choose a class to explain it.</p>
          <Downloads run={run} client={session.client} />
        </>
      )}
    </section>
  );
}

/** The most probable classes, and the explained class. */
function listed({ top, class: explained }: ExplanationView): Ranked[] {
  return top.some(({ index }) => index === explained.index) ? top : [...top, explained];
}
