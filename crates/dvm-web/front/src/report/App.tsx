import { useEffect, useMemo, useState } from 'preact/hooks';
import { readPalettes } from '../shared/colours.ts';
import { CopyButton } from '../shared/CopyButton.tsx';
import { Parameters } from '../shared/Parameters.tsx';
import { ThemeSwitch } from '../shared/theme.tsx';
import type { ReportHead, Section } from '../shared/types.ts';
import { defaultSettings } from '../shared/viewer-settings.ts';
import { Warnings } from '../shared/Warnings.tsx';
import { readPlace, writePlace, type Place } from './address.ts';
import { Detail } from './Detail.tsx';
import { FailedOnes } from './FailedOnes.tsx';
import { ReportSection } from './ReportSection.tsx';
import { select, shortener, type Selection } from './selection.ts';

/** The report: its list and sections, or one entry. Both are printed. */
export function App({ head }: { head: ReportHead }) {
  const { entries, failed } = head;
  const [place, setPlace] = usePlace(head);
  const [settings, setSettings] = useState(defaultSettings);
  const shortName = useMemo(() => shortener(entries.map(({ name }) => name)), [entries]);
  const palettes = useMemo(() => readPalettes(head.colours), [head]);
  const selected = useMemo(() => select(entries, place.selection), [entries, place.selection]);

  const open = place.open === null ? null : (entries.find(({ id }) => id === place.open) ?? null);
  const alone = entries.length === 1;
  // The list is only hidden, so that its scroll position is kept.
  const behind = open && !alone ? 'report-behind' : '';

  const sections = useMemo(() => sectionsOf(head), [head]);
  const firstList = sections.find(({ type }) => type === 'pictures');
  return (
    <>
      <a class="report-skip" href="#app" onClick={skip}>Skip to the content</a>
      <header class="report-header">
        <h1>{head.title}</h1>
        <ThemeSwitch />
      </header>
      <main id="content" tabIndex={-1}>
        <Warnings warnings={head.warnings} />
        <div class={behind}>
          {sections.map((section, i) => (
            <ReportSection
              key={i}
              section={section}
              entries={entries}
              selected={selected}
              shortName={shortName}
              place={place}
              onSelection={(selection) => setPlace({ open: null, selection }, true)}
              withFilter={section === firstList}
            />
          ))}
        </div>
        {open && (
          <Detail
            entry={open}
            shortName={shortName}
            selected={selected}
            place={place}
            alone={alone}
            small={head.small}
            palettes={palettes}
            settings={settings}
            onSettings={setSettings}
            onPlace={setPlace}
          />
        )}
        <div class={behind}>
          <FailedOnes failed={failed} />
          <section class="report-section">
            <h2>How it was made</h2>
            {head.command === '' ? (
              <p>This report was made on the page of dvm serve, version {head.version}.</p>
            ) : (
              <>
                <p>This command made the report, with dvm {head.version}:</p>
                <CopyButton text={head.command} label="Copy the command" />
              </>
            )}
            <details open={entries.length === 0}>
              <summary>All settings</summary>
              <Parameters caption="All settings of this report" of={head.parameters} />
            </details>
          </section>
        </div>
      </main>
    </>
  );
}

const ALL_PICTURES: Section = { type: 'pictures', title: 'Pictures', paragraphs: [], group: null };

/** Without a section of pictures, several entries still get a list; one entry needs none. */
function sectionsOf({ entries, sections }: ReportHead): Section[] {
  if (entries.length < 2) return sections.filter(({ type }) => type !== 'pictures');
  return sections.some(({ type }) => type === 'pictures') ? sections : [...sections, ALL_PICTURES];
}

/** The place in the report, kept in the address. A single entry is opened at once. */
function usePlace({ entries }: ReportHead): [Place, (place: Place, replace?: boolean) => void] {
  const read = (): Place => {
    const place = readPlace(location.hash);
    return entries.length === 1 ? { ...place, open: entries[0]!.id } : place;
  };
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const changed = () => setPlace((before) => keepSelection(before, read()));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const go = (next: Place, replace = false) => {
    // Otherwise every letter of a search would be a step in the browser's history.
    if (replace) history.replaceState(null, '', writePlace(next));
    else history.pushState(null, '', writePlace(next));
    setPlace(next);
  };
  return [place, go];
}

/** Keeps the object of an equal selection, so that the list is not drawn again. */
function keepSelection({ selection }: Place, after: Place): Place {
  const text = (of: Selection) => writePlace({ open: null, selection: of });
  return text(selection) === text(after.selection) ? { ...after, selection } : after;
}

function skip(event: Event): void {
  // The address has the state, so the link must not change it.
  event.preventDefault();
  document.getElementById('content')?.focus();
}
