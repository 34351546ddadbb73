import { Component } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { classTitle } from '../shared/class-title.ts';
import { formatPercent } from '../shared/ticks.ts';
import type { PictureEntry } from '../shared/types.ts';
import { writePlace, type Place } from './address.ts';
import type { Selection } from './selection.ts';

/** The number of thumbnails that are added at a time, because many thousands would be slow. */
const STEP = 1000;

interface Props {
  entries: PictureEntry[];
  shortName: (name: string) => string;
  place: Place;
  label: string;
}

/**
 * The entries as a grid of thumbnails. One of them can have the focus; the arrow keys move it.
 *
 * All listed entries are in the document, so that the browser can search and print them; the style sheet keeps the
 * invisible ones cheap (`content-visibility`).
 */
export function PictureList({ entries, shortName, place, label }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const [focused, setFocused] = useState<number | null>(null);
  const [most, setMost] = useState(STEP);
  if (entries.length === 0) return <p>No entry matches the filter.</p>;
  const tabStop = entries.slice(0, most).some(({ id }) => id === focused) ? focused : entries[0]!.id;

  const move = (event: KeyboardEvent) => {
    const links = [...(list.current?.querySelectorAll('a') ?? [])];
    const at = links.indexOf(event.target as HTMLAnchorElement);
    const to = at < 0 ? null : destination(event.key, at, links.length, () => columnsOf(links));
    if (to === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    links[to]?.focus();
  };
  const more = entries.length - most;
  return (
    <>
      <ul
        ref={list}
        class="report-list"
        aria-label={label}
        onKeyDown={move}
        onFocusIn={(event) => {
          const id = (event.target as HTMLElement).dataset.id;
          if (id !== undefined) setFocused(Number(id));
        }}
      >
        {entries.slice(0, most).map((entry) => (
          <Card key={entry.id} entry={entry} name={shortName(entry.name)} selection={place.selection} isTabStop={entry.id === tabStop} />
        ))}
      </ul>
      {more > 0 && (
        <p>
          {more} more entries are not shown. <button type="button" onClick={() => setMost(most + STEP)}>Show {Math.min(more, STEP)} more</button>
        </p>
      )}
    </>
  );
}

/** The link that a key moves to; null if the key does not move the focus. */
export function destination(key: string, at: number, count: number, columns: () => number): number | null {
  const within = (to: number) => (to < 0 || to >= count ? at : to);
  switch (key) {
    case 'ArrowLeft':
      return within(at - 1);
    case 'ArrowRight':
      return within(at + 1);
    case 'ArrowUp':
      return within(at - columns());
    case 'ArrowDown':
      return within(at + columns());
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}

function columnsOf(links: HTMLElement[]): number {
  const top = links[0]?.getBoundingClientRect().top;
  const next = links.findIndex((link) => link.getBoundingClientRect().top !== top);
  return next < 0 ? links.length : next;
}

interface CardProps {
  entry: PictureEntry;
  /** The short name; it depends on the entry only. */
  name: string;
  selection: Selection;
  isTabStop: boolean;
}

/** Drawn again only if it changes, because there can be thousands. */
class Card extends Component<CardProps> {
  override shouldComponentUpdate(next: CardProps): boolean {
    const { entry, selection, isTabStop } = this.props;
    return next.entry !== entry || next.selection !== selection || next.isTabStop !== isTabStop;
  }

  override render({ entry, name, selection, isTabStop }: CardProps) {
    const { id, title, thumbnail, trueClass, right, warnings } = entry;
    return (
      <li>
        <a href={writePlace({ open: id, selection })} data-id={id} tabIndex={isTabStop ? 0 : -1}>
          <img src={thumbnail} alt="" decoding="async" />
          <span class="report-card-class">
            {title} <span class="report-card-number">{formatPercent(entry.class.probability)}</span>
          </span>
          {right !== null && (
            <span class={right ? 'report-right' : 'report-wrong'}>
              {right ? '✓ right' : `✗ wrong, ${trueClass === null ? 'another class' : `true class ${classTitle(trueClass)}`}`}
            </span>
          )}
          {right === null && trueClass !== null && <span class="report-card-name">true class {classTitle(trueClass)}</span>}
          {warnings > 0 && <span class="report-warned">⚠ {warnings === 1 ? '1 warning' : `${warnings} warnings`}</span>}
          <span class="report-card-name">{name}</span>
        </a>
      </li>
    );
  }
}
