import type { Info } from '../shared/types.ts';
import { Warnings } from '../shared/Warnings.tsx';
import { ClassBox } from './ClassBox.tsx';
import { MethodList } from './MethodList.tsx';
import type { Session } from './session.ts';
import type { Choice, Run } from './state.ts';

interface Props {
  info: Info;
  choice: Choice;
  run: Run | null;
  session: Session;
}

/** The settings of the next explanation: network, class, methods and checks. */
export function SettingsPanel({ info, choice, run, session }: Props) {
  const model = info.models.find(({ name }) => name === choice.model);
  const choose = (change: Partial<Choice>) => session.dispatch({ do: 'choose', choice: change });
  return (
    <form
      class="page-settings" aria-labelledby="settings"
      onSubmit={(event) => {
        event.preventDefault();
        session.explain();
      }}
    >
      <h2 id="settings">{run ? 'Settings' : 'What to explain'}</h2>
      <NetworkField
        info={info} value={choice.model}
        // Classes of different networks are not the same.
        onChoose={(name) => choose({ model: name, class: null, against: null })}
      />
      {model && (
        <p class="hint">
          {model.input[1]} × {model.input[2]} pixels, {model.classes} classes
          <br />{model.preprocessing}
        </p>
      )}
      {model && <Warnings warnings={model.warnings.map((text) => ({ source: 'network', text }))} />}
      {run && (
        <>
          <ClassBox
            client={session.client} model={choice.model} label="Class" nothing="the most probable class"
            value={choice.class} onChoose={(one) => choose({ class: one })}
          />
          <ClassBox
            client={session.client} model={choice.model} label="Against" nothing="no other class"
            value={choice.against} onChoose={(one) => choose({ against: one })}
          />
        </>
      )}
      <MethodList
        methods={info.methods} chosen={choice.methods} options={choice.options}
        onChosen={(methods) => choose({ methods })} onOptions={(options) => choose({ options })}
      />
      <CheckList info={info} choice={choice} onChosen={(checks) => choose({ checks })} />
      {run && (
        <div class="page-settings-end">
          <button type="submit" class="primary" disabled={choice.methods.length === 0}>Explain</button>
          {choice.methods.length === 0 && <p class="hint">Choose at least one method.</p>}
        </div>
      )}
    </form>
  );
}

export function NetworkField({ info, value, onChoose }: { info: Info; value: string; onChoose: (name: string) => void }) {
  return (
    <label class="field">
      <span>Network</span>
      {info.models.length > 1 ? (
        <select value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
          {info.models.map(({ name }) => <option key={name} value={name}>{name}</option>)}
        </select>
      ) : <output>{value}</output>}
    </label>
  );
}

function CheckList({ info, choice, onChosen }: { info: Info; choice: Choice; onChosen: (checks: string[]) => void }) {
  if (info.metrics.length === 0) return null;
  return (
    <fieldset class="page-group">
      <legend>Checks</legend>
      <details class="page-family">
        <summary>
          Metrics that test the maps
          {choice.checks.length > 0 && <span class="page-chosen"><span class="for-readers">, chosen: </span>{choice.checks.join(', ')}</span>}
        </summary>
        <p class="hint">Each chosen metric tests each map. This takes longer than the map itself.</p>
        {info.metrics.map(({ name, title, summary }) => (
          <div key={name} class="page-method">
            <label class="choice">
              <input
                type="checkbox" checked={choice.checks.includes(name)}
                onChange={(event) => onChosen(event.currentTarget.checked
                  ? [...choice.checks, name]
                  : choice.checks.filter((other) => other !== name))}
              />
              {title}
            </label>
            <p class="hint">{summary}</p>
          </div>
        ))}
      </details>
    </fieldset>
  );
}
