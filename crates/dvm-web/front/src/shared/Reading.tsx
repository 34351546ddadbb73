import { lossesAt, type Cell } from './cells.ts';
import { classTitle } from './class-title.ts';
import { DataTable } from './DataTable.tsx';
import type { LoadedMap } from './loaded-map.ts';
import { formatNumber, formatPercent } from './ticks.ts';

/** The maximum number of listed classes; less probable ones are only counted. */
const MOST_CLASSES = 12;

interface Props {
  id: string;
  cursor: Cell | null;
  map: LoadedMap;
  /** All maps of the picture; their values at the same pixel are also shown. */
  maps: LoadedMap[];
}

/** The values of the maps under the cursor. */
export function Reading({ id, cursor, map, maps }: Props) {
  if (!cursor) {
    return (
      <div class="reading">
        <p id={id} class="hint">
          Point at the map to read its values. By keyboard: focus the map, then the arrow keys move (with Shift by 10
          pixels), M goes to the largest value{maps.length > 1 && ', 1 to 9 choose a map'}.
        </p>
      </div>
    );
  }
  const i = cursor.row * (map.values.shape[1] ?? 1) + cursor.column;
  const segment = map.segments?.values[i];
  return (
    <div class="reading">
      <p id={id} role="status">
        Row {cursor.row}, column {cursor.column}: <strong>{formatNumber(map.values.values[i]!)}</strong> {map.view.quantity}
        {segment !== undefined && `, segment ${segment}`}
      </p>
      {maps.length > 1 && (
        <DataTable
          caption="All maps at this pixel"
          showCaption
          sortable={false}
          columns={[
            { title: 'Map', numeric: false },
            { title: 'Value', numeric: true },
          ]}
          rows={maps.map(({ view, values }) => [view.title, formatNumber(values.values[i]!)])}
        />
      )}
      {map.view.cells && map.cells && <Losses map={map} cursor={cursor} />}
    </div>
  );
}

function Losses({ map, cursor }: { map: LoadedMap; cursor: Cell }) {
  const cells = map.view.cells!;
  const losses = lossesAt(cells, map.cells!, cursor);
  const isProbability = cells.score === 'probability';
  const written = isProbability ? formatPercent : formatNumber;
  // A difference of percentages is in points, not in percent.
  const lost = isProbability ? (share: number) => formatPercent(share).replace(' %', '') : formatNumber;
  const more = losses.length - MOST_CLASSES;
  return (
    <>
      <DataTable
        caption={`With the window here covered: ${cells.score} of each class`}
        showCaption
        sortable={false}
        columns={[
          { title: 'Class', numeric: false },
          { title: 'Before', numeric: true },
          { title: 'Covered', numeric: true },
          { title: isProbability ? 'Loses (points)' : 'Loses', numeric: true },
        ]}
        rows={losses
          .slice(0, MOST_CLASSES)
          .map(({ name, whole, covered, loses }) => [classTitle(name), written(whole), written(covered), lost(loses)])}
      />
      {more > 0 && <p class="hint">{more} less probable classes are not listed.</p>}
    </>
  );
}
