import { CurveChart, byAxes } from './CurveChart.tsx';
import { DataTable } from './DataTable.tsx';
import type { MapView } from './types.ts';

/** The checks of a map: that of the method itself, then each metric with its values and curves. */
export function Checks({ map }: { map: Pick<MapView, 'checks' | 'own'> }) {
  return (
    <div class="checks">
      {map.own.length > 0 && (
        <DataTable
          caption="The method's own check"
          showCaption
          sortable={false}
          columns={[
            { title: 'Measure', numeric: false },
            { title: 'Value', numeric: true },
            { title: 'Meaning', numeric: false },
          ]}
          rows={map.own.map(({ name, value, meaning }) => [name, value, meaning])}
        />
      )}
      {map.checks.map((check) => (
        <section key={check.metric} class="check">
          {/* Most lines begin with the title. */}
          {check.line.startsWith(check.title) ? (
            <h4>{check.line}</h4>
          ) : (
            <>
              <h4>{check.title}</h4>
              <p>{check.line}</p>
            </>
          )}
          {check.error !== null && <p class="problem">Not measured: {check.error}</p>}
          {check.finding !== null && <p class="finding">{check.finding}</p>}
          {byAxes(check.curves).map((curves, i) => (
            <CurveChart key={i} curves={curves} title={check.title} />
          ))}
          {check.figures.length > 0 && (
            <details>
              <summary>Values</summary>
              <DataTable
                caption={check.title}
                columns={[
                  { title: 'Figure', numeric: false },
                  { title: 'Value', numeric: true },
                ]}
                rows={check.figures.map(({ name, value }) => [name, value])}
              />
            </details>
          )}
        </section>
      ))}
    </div>
  );
}
