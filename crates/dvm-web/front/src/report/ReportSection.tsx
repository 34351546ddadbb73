import { DataTable } from '../shared/DataTable.tsx';
import type { PictureEntry, Section } from '../shared/types.ts';
import type { Place } from './address.ts';
import { ChartSection } from './ChartSection.tsx';
import { Filter } from './Filter.tsx';
import { PictureList } from './PictureList.tsx';
import type { Selection } from './selection.ts';

interface Props {
  section: Section;
  entries: PictureEntry[];
  selected: PictureEntry[];
  /** Shortens a name. */
  shortName: (name: string) => string;
  place: Place;
  onSelection: (selection: Selection) => void;
  /** Whether the filter is here: above the first list of pictures. It applies to all lists. */
  withFilter: boolean;
}

export function ReportSection({ section, entries, selected, shortName, place, onSelection, withFilter }: Props) {
  switch (section.type) {
    case 'text':
      return (
        <section class="report-section">
          {section.title !== null && <h2>{section.title}</h2>}
          {section.paragraphs.map((paragraph, i) => (
            <p key={i}>{paragraph}</p>
          ))}
        </section>
      );
    case 'table':
      return (
        <section class="report-section">
          <h2>{section.title}</h2>
          {section.note !== null && <p>{section.note}</p>}
          <DataTable columns={section.columns} rows={section.rows} caption={section.title} />
        </section>
      );
    case 'chart':
      return <ChartSection chart={section} />;
    case 'pictures': {
      const here = ({ group }: PictureEntry) => section.group === null || group === section.group;
      const all = entries.filter(here);
      const listed = selected.filter(here);
      return (
        <section class="report-section">
          {section.title !== null && <h2>{section.title}</h2>}
          {section.paragraphs.map((paragraph, i) => (
            <p key={i}>{paragraph}</p>
          ))}
          {withFilter && entries.length > 1 && <Filter entries={entries} selection={place.selection} onSelection={onSelection} />}
          {all.length > 1 && (
            <p role="status" class="hint">
              {listed.length === all.length ? `${all.length} entries.` : `${listed.length} of ${all.length} entries.`}
            </p>
          )}
          <PictureList entries={listed} shortName={shortName} place={place} label={section.title ?? 'Pictures'} />
        </section>
      );
    }
  }
}
