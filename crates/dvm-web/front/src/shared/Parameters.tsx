import { DataTable } from './DataTable.tsx';

/** The maximum number of listed values; longer lists are cut. */
const MOST_LISTED = 32;

/** JSON as a table of all names and values. */
export function Parameters({ of, caption }: { of: unknown; caption: string }) {
  return (
    <DataTable
      caption={caption}
      columns={[
        { title: 'Parameter', numeric: false },
        { title: 'Value', numeric: false },
      ]}
      rows={flatten(of).map(({ path, value }) => [path, value])}
    />
  );
}

/** The values of JSON with their paths: `network › input › size`. */
export function flatten(json: unknown, path = ''): { path: string; value: string }[] {
  const below = (name: string) => (path ? `${path} › ${name}` : name);
  if (Array.isArray(json)) {
    const isPlain = (item: unknown) => item === null || typeof item !== 'object';
    if (json.every((item) => isPlain(item) || (Array.isArray(item) && item.every(isPlain)))) {
      const listed = json.slice(0, MOST_LISTED).map(written).join(', ');
      const more = json.length > MOST_LISTED ? `, … (${json.length} in all)` : '';
      return [{ path, value: json.length === 0 ? 'none' : listed + more }];
    }
    return json.flatMap((item, i) => flatten(item, below(String(i + 1))));
  }
  if (json !== null && typeof json === 'object') {
    const entries = Object.entries(json);
    if (entries.length === 0) return [{ path, value: 'none' }];
    return entries.flatMap(([name, value]) => flatten(value, below(name.replaceAll('_', ' '))));
  }
  return [{ path, value: written(json) }];
}

function written(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return `(${value.map(written).join(', ')})`;
  return String(value);
}
