import { useState } from 'preact/hooks';
import { DataTable } from '../shared/DataTable.tsx';
import type { Section } from '../shared/types.ts';

/**
 * A drawing of the program itself, with its numbers.
 *
 * It is shown as a picture: in a picture no script runs and nothing is loaded, and the names inside one
 * drawing do not meet those of another.
 */
export function ChartSection({ chart }: { chart: Extract<Section, { type: 'chart' }> }) {
  const { title, note, svg, table } = chart;
  const [broken, setBroken] = useState(false);
  return (
    <section class="report-section">
      <h2>{title}</h2>
      {note !== null && <p>{note}</p>}
      {broken ? (
        <p class="problem">This drawing cannot be shown.</p>
      ) : (
        <img
          class="report-chart"
          src={`data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`}
          alt={table ? `${title}. The numbers are in the table below.` : title}
          onError={() => setBroken(true)}
        />
      )}
      {table && (
        <details>
          <summary>Numbers of the drawing</summary>
          {table.note !== null && <p>{table.note}</p>}
          <DataTable columns={table.columns} rows={table.rows} caption={table.title} />
        </details>
      )}
    </section>
  );
}
