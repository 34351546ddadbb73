import type { Warning } from './types.ts';

/** Sources that are not methods. */
const PARTS = new Set(['picture', 'network', 'figure']);

/** Warnings are never hidden. */
export function Warnings({ warnings }: { warnings: Warning[] }) {
  if (warnings.length === 0) return null;
  return (
    <ul class="warnings" aria-label="Warnings">
      {warnings.map(({ source, text }, i) => (
        <li key={i}>
          <strong>
            <span aria-hidden="true">⚠ </span>
            Warning about {PARTS.has(source) ? `the ${source}` : source}:
          </strong>{' '}
          {text}
        </li>
      ))}
    </ul>
  );
}
