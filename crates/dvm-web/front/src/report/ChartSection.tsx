import { useMemo, useRef, useState } from 'preact/hooks';
import { DataTable } from '../shared/DataTable.tsx';
import type { Section } from '../shared/types.ts';
import { useNear } from './use-near.ts';

/**
 * A drawing of the program itself, with its numbers.
 *
 * It is shown as a picture: in a picture no script runs and nothing is loaded, and the names inside one
 * drawing do not meet those of another. There may be a hundred large ones: each is drawn when it comes near.
 */
export function ChartSection({ chart }: { chart: Extract<Section, { type: 'chart' }> }) {
  const { title, note, svg, table } = chart;
  const [broken, setBroken] = useState(false);
  const section = useRef<HTMLElement>(null);
  const near = useNear(section);
  const source = useMemo(() => (near ? `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}` : BLANK), [near, svg]);
  return (
    <section ref={section} class="report-section">
      <h2>{title}</h2>
      {note !== null && <p>{note}</p>}
      {broken ? (
        <p class="problem">This drawing cannot be shown.</p>
      ) : (
        <img
          class="report-chart"
          src={source}
          {...sizeOf(svg)}
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

/** Until a drawing is near: nothing, in its place. */
const BLANK = 'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg"/%3E';

/** The size that the drawing says, so that the page does not jump when it is drawn. */
export function sizeOf(svg: string): { width?: number; height?: number } {
  const tag = /<svg\b[^>]*>/.exec(svg)?.[0] ?? '';
  const [width, height] = ['width', 'height'].map((name) => Number(new RegExp(`\\s${name}="([\\d.]+)"`).exec(tag)?.[1]));
  return width && height ? { width, height } : {};
}
