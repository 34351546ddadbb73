import { useMemo, useRef, useState } from 'preact/hooks';
import { DataTable } from '../shared/DataTable.tsx';
import type { Section } from '../shared/types.ts';
import { useNear } from './use-near.ts';

/**
 * A chart drawn by dvm, with its values.
 *
 * It is shown as an image: no script runs in it, nothing is loaded, and ids of different charts do not conflict.
 * A report can have a hundred large charts, so each is drawn when it is close to the visible part.
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
        <p class="problem">This chart cannot be shown.</p>
      ) : (
        <img
          class="report-chart"
          src={source}
          {...sizeOf(svg)}
          alt={table ? `${title}. The values are in the table below.` : title}
          onError={() => setBroken(true)}
        />
      )}
      {table && (
        <details>
          <summary>Values of the chart</summary>
          {table.note !== null && <p>{table.note}</p>}
          <DataTable columns={table.columns} rows={table.rows} caption={table.title} />
        </details>
      )}
    </section>
  );
}

/** An empty image, until the chart is close to the visible part. */
const BLANK = 'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg"/%3E';

/** The size of the chart, so that the page does not jump when it is drawn. */
export function sizeOf(svg: string): { width?: number; height?: number } {
  const tag = /<svg\b[^>]*>/.exec(svg)?.[0] ?? '';
  const [width, height] = ['width', 'height'].map((name) => Number(new RegExp(`\\s${name}="([\\d.]+)"`).exec(tag)?.[1]));
  return width && height ? { width, height } : {};
}
