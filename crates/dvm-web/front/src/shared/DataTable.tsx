import { useState } from 'preact/hooks';
import { formatNumber } from './ticks.ts';
import type { Table } from './types.ts';

type Order = { column: number; descending: boolean } | null;

interface Props extends Pick<Table, 'columns' | 'rows'> {
  /** Label of the table for screen readers. */
  caption: string;
  showCaption?: boolean;
  sortable?: boolean;
  /** Digits of numbers that are not integers. */
  digits?: number;
}

/** A table that is sorted by its column heads: ascending, descending, original order. */
export function DataTable({ columns, rows, caption, showCaption = false, sortable = true, digits = 4 }: Props) {
  const [order, setOrder] = useState<Order>(null);
  return (
    <div class="table-frame" tabIndex={0} role="group" aria-label={caption}>
      <table>
        <caption class={showCaption ? '' : 'for-readers'}>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, numeric }, column) => (
              <th key={column} scope="col" class={numeric ? 'number' : ''} aria-sort={sortable && title !== '' ? sortOf(order, column) : undefined}>
                {/* A button without words would be read as nothing. */}
                {sortable && rows.length > 1 && title !== '' ? (
                  <button type="button" class="sort" onClick={() => setOrder(next(order, column))}>
                    {title}
                    <span aria-hidden="true" class="sort-mark">
                      {order?.column !== column ? '' : order.descending ? ' ▼' : ' ▲'}
                    </span>
                  </button>
                ) : (
                  title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(rows, order, columns[order?.column ?? 0]?.numeric).map((row, i) => (
            <tr key={i}>
              {row.map((cell, column) => {
                const text = cell === null ? '–' : typeof cell === 'number' ? plain(cell, digits) : cell;
                const kind = columns[column]?.numeric ? 'number' : '';
                return column === 0 && kind === '' ? (
                  <th key={column} scope="row">{text}</th>
                ) : (
                  <td key={column} class={kind}>{text}</td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function plain(value: number, digits: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e9 ? String(value).replace('-', '−') : formatNumber(value, digits);
}

function sortOf(order: Order, column: number): 'ascending' | 'descending' | 'none' {
  if (order?.column !== column) return 'none';
  return order.descending ? 'descending' : 'ascending';
}

function next(order: Order, column: number): Order {
  if (order?.column !== column) return { column, descending: false };
  return order.descending ? null : { column, descending: true };
}

const collator = new Intl.Collator('en', { numeric: true });

/** Rows sorted by one column; empty cells come last in both directions, and ties keep their order. Text in a numeric column is sorted by its first number. */
export function sorted(rows: Table['rows'], order: Order, numeric = false): Table['rows'] {
  if (!order) return rows;
  const { column, descending } = order;
  return [...rows].sort((left, right) => {
    const a = keyOf(left[column] ?? null, numeric);
    const b = keyOf(right[column] ?? null, numeric);
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const by = typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
    return descending ? -by : by;
  });
}

function keyOf(cell: string | number | null, numeric: boolean): string | number | null {
  return numeric && typeof cell === 'string' ? numberIn(cell) : cell;
}

/** The first number of a text such as `−0.24 ± 0.19`, `< 0.001`, `96.2 %` or `1.5×10⁻⁹`; null if there is none. */
export function numberIn(text: string): number | null {
  const found = /([-−]?)(\d+(?:\.\d+)?)(?:×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?/.exec(text);
  if (!found) return null;
  const exponent = [...(found[3] ?? '⁰')].map((letter) => (letter === '⁻' ? '-' : '⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(letter))).join('');
  return Number(`${found[1] ? '-' : ''}${found[2]}e${exponent}`);
}
