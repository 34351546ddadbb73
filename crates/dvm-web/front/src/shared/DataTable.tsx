import { useState } from 'preact/hooks';
import { formatNumber } from './ticks.ts';
import type { Table } from './types.ts';

type Order = { column: number; descending: boolean } | null;

interface Props extends Pick<Table, 'columns' | 'rows'> {
  /** Names the table for those who do not see what stands above it. */
  caption: string;
  showCaption?: boolean;
  sortable?: boolean;
  /** How many digits a number has that is not whole. */
  digits?: number;
}

/** A table that its column heads sort: upwards, downwards, and as it was. */
export function DataTable({ columns, rows, caption, showCaption = false, sortable = true, digits = 4 }: Props) {
  const [order, setOrder] = useState<Order>(null);
  return (
    <div class="table-frame" tabIndex={0} role="group" aria-label={caption}>
      <table>
        <caption class={showCaption ? '' : 'for-readers'}>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, numeric }, column) => (
              <th key={column} scope="col" class={numeric ? 'number' : ''} aria-sort={sortable ? sortOf(order, column) : undefined}>
                {sortable && rows.length > 1 ? (
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
          {sorted(rows, order).map((row, i) => (
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

/** Rows by one column; empty cells come last both ways, and equal ones keep their order. */
export function sorted(rows: Table['rows'], order: Order): Table['rows'] {
  if (!order) return rows;
  const { column, descending } = order;
  return [...rows].sort((left, right) => {
    const a = left[column] ?? null;
    const b = right[column] ?? null;
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const by = typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
    return descending ? -by : by;
  });
}
