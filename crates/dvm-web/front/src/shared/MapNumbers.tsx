import { DataTable } from './DataTable.tsx';
import type { LoadedMap } from './loaded-map.ts';
import { stepOf } from './packed.ts';
import { Parameters } from './Parameters.tsx';
import { coarse, ninth } from './summary.ts';
import { formatNumber } from './ticks.ts';

/** A map in one sentence: its range, and where its largest value is. */
export function sentenceOf({ view, summary }: LoadedMap, size: [number, number]): string {
  const { min, max, maxAt, notFinite, count } = summary;
  const lost = notFinite > 0 ? ` ${notFinite} of ${count} values are not finite (grey).` : '';
  if (notFinite === count) return `${view.title}, ${view.quantity}: no finite value.`;
  if (min === max) return `${view.title}, ${view.quantity}: ${formatNumber(min)} everywhere.${lost}`;
  return (
    `${view.title}, ${view.quantity}: from ${formatNumber(min)} to ${formatNumber(max)}; ` +
    `the largest is at row ${maxAt.row}, column ${maxAt.column} (${ninth(maxAt, size)}).${lost}`
  );
}

/** A map as text and tables. */
export function MapNumbers({ map, size }: { map: LoadedMap; size: [number, number] }) {
  const { view, values } = map;
  const { rows, columns, means } = coarse(values);
  const span = ([from, to]: [number, number]) => (to - from === 1 ? `${from}` : `${from}–${to - 1}`);
  const step = stepOf(view.values);
  return (
    <>
      <p class="sentence">{sentenceOf(map, size)}</p>
      <details>
        <summary>Values as a table</summary>
        <p>
          Means of {view.quantity} over parts of the picture.
          {view.smooth && ' All numbers are of the map itself, even if it is drawn smooth between its cells.'}
          {step > 0 && ` Their precision is ± ${formatNumber(step / 2, 2)}.`}
        </p>
        <DataTable
          caption={`${view.title}: means by rows and columns of pixels`}
          sortable={false}
          digits={3}
          columns={[
            { title: 'Rows', numeric: false },
            ...columns.map((part) => ({ title: span(part), numeric: true })),
          ]}
          rows={rows.map((part, i) => [span(part), ...means[i]!.map((mean) => (Number.isNaN(mean) ? null : formatNumber(mean, 3)))])}
        />
      </details>
      <details>
        <summary>Settings of this map</summary>
        <Parameters
          caption={`Settings of ${view.title}`}
          of={{ method: view.method, quantity: view.quantity, nature: view.nature, ...view.parameters, 'time in seconds': view.seconds, reference: view.reference }}
        />
      </details>
    </>
  );
}
