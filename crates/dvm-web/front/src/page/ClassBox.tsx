import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { classTitle } from '../shared/class-title.ts';
import type { ClassList } from '../shared/types.ts';
import type { Client } from './client.ts';
import { Icon } from './Icon.tsx';
import { Newest } from './newest.ts';
import type { ClassChoice } from './state.ts';

const LIMIT = 50;

interface Props {
  client: Client;
  model: string;
  label: string;
  /** The meaning of no choice, such as `the most probable class`. */
  nothing: string;
  value: ClassChoice | null;
  onChoose: (choice: ClassChoice | null) => void;
}

/** A field that finds classes by name or index. Arrow keys and Enter choose; Escape closes the list. */
export function ClassBox({ client, model, label, nothing, value, onChoose }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const [found, setFound] = useState<ClassList>([]);
  const [error, setError] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const open = typed !== null;

  const search = useMemo(
    () => new Newest(
      (text: string) => client.classes(model, text, LIMIT),
      (classes, text) => {
        setFound(nearestFirst(classes, text));
        setActive(0);
        setError(null);
      },
      () => setError('The list of classes cannot be loaded.'),
    ),
    [client, model],
  );
  useEffect(() => () => search.close(), [search]);
  useEffect(() => {
    if (typed !== null) search.put(typed.trim());
  }, [typed, search]);
  useEffect(() => {
    if (open) document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: 'nearest' });
  }, [active, open, id]);

  const choose = (choice: ClassChoice | null) => {
    setTyped(null);
    onChoose(choice);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && open) {
      event.stopPropagation();
      setTyped(null);
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (!open) setTyped('');
      else setActive(Math.min(Math.max(active + (event.key === 'ArrowDown' ? 1 : -1), 0), Math.max(found.length - 1, 0)));
    } else if (event.key === 'Enter' && open) {
      event.preventDefault();
      const one = found[active];
      if (one) choose(one);
    }
  };

  return (
    <div class="field page-class-box">
      <label for={id}>{label}</label>
      <div class="page-class-input">
        <input
          ref={input} id={id} type="text" role="combobox" autocomplete="off" spellcheck={false}
          aria-expanded={open} aria-controls={`${id}-list`} aria-autocomplete="list"
          aria-activedescendant={open && found.length > 0 ? `${id}-${active}` : undefined}
          placeholder={nothing} value={typed ?? (value ? classTitle(value.name) : '')}
          onFocus={(event) => event.currentTarget.select()}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onClick={() => setTyped(typed ?? '')}
          onBlur={() => setTyped(null)}
          onKeyDown={onKeyDown}
        />
        {value !== null && !open && (
          <button type="button" class="page-button-quiet" aria-label={`${label}: ${nothing}`} onClick={() => choose(null)}>
            <Icon name="close" />
          </button>
        )}
      </div>
      <ul id={`${id}-list`} role="listbox" aria-label={label} hidden={!open || found.length === 0}>
        {found.map((one, at) => (
          <li
            key={one.index} id={`${id}-${at}`} role="option" aria-selected={at === active}
            // Runs before the field loses the focus, which closes the list.
            onPointerDown={(event) => { event.preventDefault(); choose(one); }}
          >
            <span>{classTitle(one.name)}</span> <span class="page-soft">{one.index}</span>
          </li>
        ))}
      </ul>
      {open && found.length === 0 && typed !== '' && <p class="page-soft">{error ?? 'No class matches.'}</p>}
    </div>
  );
}

/** Sorts classes: equal to the typed text first, then those that start with it, then others. */
function nearestFirst(classes: ClassList, typed: string): ClassList {
  const text = classTitle(typed).toLowerCase();
  const far = ({ name, index }: ClassList[number]) => {
    const title = classTitle(name).toLowerCase();
    if (title === text || String(index) === text) return 0;
    return title.startsWith(text) ? 1 : 2;
  };
  return [...classes].sort((a, b) => far(a) - far(b));
}
