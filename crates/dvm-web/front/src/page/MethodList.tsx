import { useId, useState } from 'preact/hooks';
import type { MethodInfo, OptionSpec } from '../shared/types.ts';
import { families, quickFirst, words } from './methods.ts';

interface Props {
  methods: MethodInfo[];
  chosen: string[];
  options: Record<string, string>;
  onChosen: (methods: string[]) => void;
  onOptions: (options: Record<string, string>) => void;
}

/** All methods by family with checkboxes, and the options of chosen methods. */
export function MethodList({ methods, chosen, options, onChosen, onOptions }: Props) {
  const change = (name: string, on: boolean) =>
    onChosen(quickFirst(on ? [...chosen, name] : chosen.filter((other) => other !== name), methods));
  return (
    <fieldset class="page-group">
      <legend>Methods</legend>
      {families(methods).map(({ family, methods: members }) => {
        const used = members.filter(({ name }) => chosen.includes(name)).map(({ name }) => name);
        return (
          <details key={family} class="page-family">
            <summary>
              {family}
              {used.length > 0 && <span class="page-chosen"><span class="for-readers">, chosen: </span>{used.join(', ')}</span>}
            </summary>
            {members.map((method) => (
              <Method
                key={method.name} method={method} chosen={chosen.includes(method.name)} options={options}
                onChosen={(on) => change(method.name, on)} onOptions={onOptions}
              />
            ))}
          </details>
        );
      })}
    </fieldset>
  );
}

interface MethodProps {
  method: MethodInfo;
  chosen: boolean;
  options: Record<string, string>;
  onChosen: (on: boolean) => void;
  onOptions: (options: Record<string, string>) => void;
}

function Method({ method, chosen, options, onChosen, onOptions }: MethodProps) {
  return (
    <div class="page-method">
      <label class="choice">
        <input type="checkbox" checked={chosen} onChange={(event) => onChosen(event.currentTarget.checked)} />
        {method.name}
      </label>
      <p class="hint">{method.summary}</p>
      {chosen && (
        <details class="page-options">
          <summary>Options and source<span class="for-readers"> of {method.name}</span></summary>
          {method.options.map((option) => (
            <Option
              key={option.name} option={option} value={options[`${method.name}.${option.name}`] ?? null}
              onValue={(value) => onOptions(withOption(options, `${method.name}.${option.name}`, value))}
            />
          ))}
          <p class="hint">
            {method.reference}
            <br />Cost: {method.cost}
            <br />Networks: {method.networks}
          </p>
        </details>
      )}
    </div>
  );
}

function withOption(options: Record<string, string>, name: string, value: string | null): Record<string, string> {
  const others = Object.entries(options).filter(([key]) => key !== name);
  return Object.fromEntries(value === null ? others : [...others, [name, value]]);
}

/** `value` is null for the default, which an empty field also means. */
function Option({ option, value, onValue }: { option: OptionSpec; value: string | null; onValue: (value: string | null) => void }) {
  const id = useId();
  // Typed text applies at once, because a picture may be dropped while the field has the focus. It is cleaned up when
  // the field loses the focus.
  const [typed, setTyped] = useState<string | null>(null);
  const choices = words(option.takes);
  const set = (text: string) => onValue(text.trim() === '' || text.trim() === option.default ? null : text.trim());
  return (
    <div class="field page-option">
      <label for={id}>{option.name}</label>
      {choices ? (
        <select id={id} aria-describedby={`${id}-help`} value={value ?? option.default} onChange={(event) => set(event.currentTarget.value)}>
          {!choices.includes(option.default) && <option value={option.default}>{option.default}</option>}
          {choices.map((choice) => <option key={choice} value={choice}>{choice}</option>)}
        </select>
      ) : (
        <input
          id={id} type="text" autocomplete="off" spellcheck={false} aria-describedby={`${id}-help`}
          placeholder={option.default} value={typed ?? value ?? ''}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            set(event.currentTarget.value);
          }}
          onBlur={() => setTyped(null)}
        />
      )}
      <p id={`${id}-help`} class="hint">{option.help}{choices === null && ` (${option.takes})`}</p>
    </div>
  );
}
