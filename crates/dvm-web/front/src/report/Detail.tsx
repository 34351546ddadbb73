import { useEffect, useMemo, useRef } from 'preact/hooks';
import { Bars } from '../shared/Bars.tsx';
import { Checks } from '../shared/Checks.tsx';
import { classTitle } from '../shared/class-title.ts';
import type { Palette } from '../shared/colours.ts';
import { Parameters } from '../shared/Parameters.tsx';
import type { PictureEntry, ExplanationView } from '../shared/types.ts';
import { Viewer } from '../shared/Viewer.tsx';
import type { Settings } from '../shared/viewer-settings.ts';
import { Warnings } from '../shared/Warnings.tsx';
import { writePlace, type Place } from './address.ts';
import { readEntry } from './data.ts';
import { usePeers } from './use-peers.ts';

interface Props {
  entry: PictureEntry;
  /** The list for the previous and next entry. */
  selected: PictureEntry[];
  place: Place;
  /** Shortens a name. */
  shortName: (name: string) => string;
  /** Whether it is the only entry of the report. */
  alone: boolean;
  /** Whether pictures are stored with less precision. */
  small: boolean;
  palettes: Palette[];
  settings: Settings;
  onSettings: (settings: Settings) => void;
  onPlace: (place: Place) => void;
}

/** One entry: its maps, classes, checks, warnings and settings. */
export function Detail(props: Props) {
  const { entry, shortName, selected, place, alone, small, palettes, settings, onSettings, onPlace } = props;
  const view = useMemo(() => tryToRead(entry.id), [entry.id]);
  const peers = usePeers(selected, settings.scale === 'shared' && !alone);
  const heading = useRef<HTMLHeadingElement>(null);

  const at = selected.findIndex(({ id }) => id === entry.id);
  const previous = at > 0 ? selected[at - 1] : undefined;
  const next = selected[at + 1];
  const list = { ...place, open: null };

  useEffect(() => {
    if (alone) return;
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [entry.id, alone]);

  useBackToCard(alone ? null : entry.id);

  useEffect(() => {
    if (alone) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const { key, target } = event;
      const to = { ArrowRight: next, ArrowLeft: previous }[key];
      if (to && !usesArrows(target)) onPlace({ ...place, open: to.id });
      // The same key closes an open select box.
      else if (key === 'Escape' && !(target instanceof HTMLSelectElement)) onPlace(list);
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  });

  const link = (to: PictureEntry | undefined, text: string) =>
    to ? (
      <a class="button" href={writePlace({ ...place, open: to.id })}>{text}</a>
    ) : (
      <span class="button report-no-link" aria-disabled="true">{text}</span>
    );
  return (
    <article class="report-detail" aria-labelledby="entry-title">
      {!alone && (
        <nav class="report-steps" aria-label="Entries">
          <a class="button" href={writePlace(list)}>All entries</a>
          {link(previous, '← Previous')}
          {link(next, 'Next →')}
          {at >= 0 && <span class="hint">{at + 1} of {selected.length}. Keys: ← previous, → next, Esc all entries.</span>}
        </nav>
      )}
      <h2 id="entry-title" ref={heading} tabIndex={-1}>
        {shortName(entry.name)}: {entry.title}
      </h2>
      {view instanceof Error ? (
        <p class="problem">This entry cannot be read: {view.message}</p>
      ) : (
        <Contents view={view} entry={entry} small={small}>
          <Viewer
            view={view}
            palettes={palettes}
            settings={settings}
            onSettings={onSettings}
            peers={peers}
            sharedBy={alone ? 'the maps of this picture' : `the ${selected.length} listed entries`}
          />
        </Contents>
      )}
    </article>
  );
}

interface ContentsProps {
  view: ExplanationView;
  entry: PictureEntry;
  small: boolean;
  children: preact.ComponentChildren;
}

function Contents({ view, entry, small, children }: ContentsProps) {
  const checked = view.maps.filter(({ checks, own }) => checks.length > 0 || own.length > 0);
  return (
    <>
      <p class="report-answer">
        {view.title}: <strong>{view.score}</strong>
        {view.trueClass !== null && (
          <>
            {'. True class: '}
            <strong>{classTitle(view.trueClass)}</strong>{' '}
            {entry.right !== null && (
              <span class={entry.right ? 'report-right' : 'report-wrong'}>{entry.right ? '✓ right' : '✗ wrong'}</span>
            )}
          </>
        )}
      </p>
      <Warnings warnings={view.warnings} />
      {children}
      {small && <p class="hint">This report has many pictures, so crops are JPEG and maps have 254 steps from the lowest to the highest value.</p>}
      <section class="report-classes">
        <h3>Most probable classes</h3>
        <Bars classes={view.top.slice(0, 5)} explained={view.class.index} trueClass={view.trueClass} />
      </section>
      {checked.length > 0 && (
        <section>
          <h3>Checks of the maps</h3>
          <div class="report-checks">
            {checked.map((map, i) => (
              <details key={i} open>
                <summary>{map.title}</summary>
                <Checks map={map} />
              </details>
            ))}
          </div>
        </section>
      )}
      <section>
        <details>
          <summary>All settings of this entry</summary>
          <Parameters caption={`Settings of ${view.name}`} of={view.record} />
        </details>
      </section>
    </>
  );
}

/** Moves the focus to the entry's thumbnail when the entry is closed. */
function useBackToCard(id: number | null): void {
  useEffect(() => {
    if (id === null) return;
    return () => {
      // Waits until the list is visible again.
      setTimeout(() => document.querySelector<HTMLElement>(`.report-list a[data-id="${id}"]`)?.focus(), 0);
    };
  }, [id]);
}

function tryToRead(id: number): ExplanationView | Error {
  try {
    return readEntry(id);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Whether the focused element uses the arrow keys itself. */
function usesArrows(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, select, textarea, .map-canvas, .table-frame, .copy-text') !== null;
}
