import { useState } from 'preact/hooks';
import { filePath, inWords, type Client } from './client.ts';
import type { Run } from './state.ts';

/** Downloads of an explanation, with the token if the server needs one. Errors are shown here. */
export function Downloads({ run, client }: { run: Run; client: Client }) {
  const [error, setError] = useState<string | null>(null);
  const { explanation, view } = run;
  if (explanation === null || view === null || view.maps.length === 0) return null;

  const get = async (file: string) => {
    setError(null);
    try {
      save(await client.file(explanation, file), `${stem(view.name)}-${file}`);
    } catch (problem) {
      setError(inWords(problem));
    }
  };
  const link = (file: string, text: string, what: string) => (
    <a
      href={filePath(explanation, file)} download aria-label={`${text}: ${what}`}
      onClick={(event) => {
        event.preventDefault();
        void get(file);
      }}
    >
      {text}
    </a>
  );
  return (
    <details class="page-downloads">
      <summary>Download</summary>
      <dl>
        <div>
          <dt>Figure</dt>
          <dd>{link('figure.png', 'PNG', 'figure')} {link('figure.svg', 'SVG', 'figure')} {link('figure.pdf', 'PDF', 'figure')}</dd>
        </div>
        <div>
          <dt>Report</dt>
          <dd>{link('report.html', 'HTML', 'report')}</dd>
        </div>
        <div>
          <dt>Record</dt>
          <dd>{link('record.json', 'JSON', 'record of all settings')}</dd>
        </div>
        {view.maps.map(({ method }) => (
          <div key={method}>
            <dt>{method}</dt>
            <dd>
              {link(`${method}.npy`, 'npy', `${method}, the map with one value for each pixel`)}
              {link(`${method}.raw.npy`, 'raw npy', `${method}, the raw array`)}
              {link(`${method}.overlay.png`, 'PNG', `${method} over the picture`)}
            </dd>
          </div>
        ))}
      </dl>
      {error !== null && <p class="problem" role="alert">{error}</p>}
    </details>
  );
}

function stem(name: string): string {
  return name.replace(/^.*[\\/]/, '').replace(/\.[A-Za-z0-9]{1,5}$/, '') || 'explanation';
}

function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Later, because the browser may still be reading it.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
