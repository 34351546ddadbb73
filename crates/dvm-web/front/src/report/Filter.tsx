import { useMemo } from 'preact/hooks';
import { classTitle } from '../shared/class-title.ts';
import type { PictureEntry } from '../shared/types.ts';
import { everything, namesOf, type Selection, type Sort } from './selection.ts';

interface Props {
  entries: PictureEntry[];
  selection: Selection;
  onSelection: (selection: Selection) => void;
}

/** The filter and order of the list. */
export function Filter({ entries, selection, onSelection }: Props) {
  const classes = useMemo(() => namesOf(entries, (entry) => entry.class.name), [entries]);
  const trueClasses = useMemo(() => namesOf(entries, (entry) => entry.trueClass), [entries]);
  const warned = useMemo(() => entries.filter(({ warnings }) => warnings > 0).length, [entries]);
  const change = (changed: Partial<Selection>) => onSelection({ ...selection, ...changed });
  return (
    <form class="report-filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        Text
        <input type="search" value={selection.text} onInput={(event) => change({ text: event.currentTarget.value })} />
      </label>
      <Names title="Class" names={classes} chosen={selection.class} onChoose={(name) => change({ class: name })} />
      {trueClasses.length > 0 && (
        <>
          <Names title="True class" names={trueClasses} chosen={selection.trueClass} onChoose={(name) => change({ trueClass: name })} />
          <label class="field">
            Answer
            <select value={selection.right} onChange={(event) => change({ right: event.currentTarget.value as Selection['right'] })}>
              <option value="">any</option>
              <option value="right">right</option>
              <option value="wrong">wrong</option>
              <option value="unknown">not known</option>
            </select>
          </label>
        </>
      )}
      <label class="field">
        Sort by
        <select value={selection.sort} onChange={(event) => change({ sort: event.currentTarget.value as Sort })}>
          <option value="order">report order</option>
          <option value="confidence">confidence</option>
          <option value="class">class</option>
          <option value="name">name</option>
        </select>
      </label>
      <label class="choice">
        <input type="checkbox" checked={selection.descending} onChange={(event) => change({ descending: event.currentTarget.checked })} />
        Descending
      </label>
      {warned > 0 && (
        <label class="choice">
          <input type="checkbox" checked={selection.warned} onChange={(event) => change({ warned: event.currentTarget.checked })} />
          Only with warnings ({warned})
        </label>
      )}
      <button type="button" onClick={() => onSelection(everything)}>Show all</button>
    </form>
  );
}

interface NamesProps {
  title: string;
  names: { name: string; count: number }[];
  chosen: string;
  onChoose: (name: string) => void;
}

function Names({ title, names, chosen, onChoose }: NamesProps) {
  return (
    <label class="field">
      {title}
      <select value={chosen} onChange={(event) => onChoose(event.currentTarget.value)}>
        <option value="">any</option>
        {names.map(({ name, count }) => (
          <option key={name} value={name}>{`${classTitle(name)} (${count})`}</option>
        ))}
      </select>
    </label>
  );
}
