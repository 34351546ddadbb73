import { DataTable } from '../shared/DataTable.tsx';
import type { Failed } from '../shared/types.ts';

/** Pictures that failed, and why. */
export function FailedOnes({ failed }: { failed: Failed[] }) {
  if (failed.length === 0) return null;
  return (
    <section class="report-section">
      <h2>{failed.length} failed</h2>
      <DataTable
        caption="Pictures that failed"
        columns={[
          { title: 'Name', numeric: false },
          { title: 'Error', numeric: false },
        ]}
        rows={failed.map(({ name, error }) => [name, error])}
      />
    </section>
  );
}
