import { DataTable } from './DataTable.tsx';
import { formatNumber, ticks } from './ticks.ts';
import type { Curve } from './types.ts';

const WIDTH = 360;
const HEIGHT = 220;
const LEFT = 56;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 44;

/** A chart of curves with the same axes, with a table of their points below. */
export function CurveChart({ curves, title }: { curves: Curve[]; title: string }) {
  const first = curves[0];
  if (!first) return null;
  const points = curves.flatMap((curve) => curve.points).filter(isFinitePoint);
  if (points.length === 0) return null;
  const [x0, x1] = ends(points.map(([x]) => x));
  const [y0, y1] = ends(points.map(([, y]) => y));
  const left = (x: number) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const top = (y: number) => HEIGHT - BOTTOM - ((y - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);

  return (
    <figure class="curves">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${title}. ${first.up} by ${first.across}: ${curves.map(told).join('; ')}`}>
        {ticks(y0, y1, 5).map(({ position, label }) => {
          const y = top(y0 + position * (y1 - y0));
          return (
            <g key={label}>
              <line class="curves-grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y} y2={y} />
              <text class="curves-tick" x={LEFT - 6} y={y + 4} text-anchor="end">{label}</text>
            </g>
          );
        })}
        {ticks(x0, x1, 5).map(({ position, label }) => {
          const x = left(x0 + position * (x1 - x0));
          return (
            <g key={label}>
              <line class="curves-grid" x1={x} x2={x} y1={TOP} y2={HEIGHT - BOTTOM} />
              <text class="curves-tick" x={x} y={HEIGHT - BOTTOM + 15} text-anchor="middle">{label}</text>
            </g>
          );
        })}
        <text class="curves-axis" x={(LEFT + WIDTH - RIGHT) / 2} y={HEIGHT - 8} text-anchor="middle">{first.across}</text>
        <text class="curves-axis" x={14} y={(TOP + HEIGHT - BOTTOM) / 2} text-anchor="middle" transform={`rotate(-90 14 ${(TOP + HEIGHT - BOTTOM) / 2})`}>
          {first.up}
        </text>
        {curves.map((curve, i) => (
          <polyline key={i} class={`curve curve-${i % 4}`} points={curve.points.filter(isFinitePoint).map(([x, y]) => `${left(x).toFixed(2)},${top(y).toFixed(2)}`).join(' ')} />
        ))}
      </svg>
      {curves.length > 1 && (
        <ul class="curves-legend" aria-hidden="true">
          {curves.map(({ name }, i) => (
            <li key={i}>
              <svg viewBox="0 0 24 8"><line class={`curve curve-${i % 4}`} x1={0} x2={24} y1={4} y2={4} /></svg>
              {name}
            </li>
          ))}
        </ul>
      )}
      <details>
        <summary>Values of the curves</summary>
        <DataTable caption={`${title}: ${first.up}`} {...tableOf(curves)} />
      </details>
    </figure>
  );
}

/** Groups curves with the same axes. */
export function byAxes(curves: Curve[]): Curve[][] {
  const groups = new Map<string, Curve[]>();
  for (const curve of curves) {
    const axes = JSON.stringify([curve.across, curve.up]);
    const group = groups.get(axes);
    if (group) group.push(curve);
    else groups.set(axes, [curve]);
  }
  return [...groups.values()];
}

/** A row for each position on the axis. */
export function tableOf(curves: Curve[]) {
  const across = [...new Set(curves.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const known = curves.map(({ points }) => new Map(points));
  return {
    columns: [curves[0]?.across ?? '', ...curves.map(({ name }) => name)].map((title) => ({ title, numeric: true })),
    rows: across.map((x) => [x, ...known.map((points) => points.get(x) ?? null)]),
  };
}

function told({ name, points }: Curve): string {
  const start = points[0];
  const end = points.at(-1);
  return start && end ? `${name} from ${formatNumber(start[1])} to ${formatNumber(end[1])}` : name;
}

function isFinitePoint([x, y]: [number, number]): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

/** The range of values, widened if it is empty. */
function ends(values: number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  if (high > low) return [low, high];
  const around = Math.abs(low) * 0.1 || 1;
  return [low - around, high + around];
}
