import type { Run } from './state.ts';

/** Methods whose maps are not finished. */
export function unfinished(run: Run): string[] {
  if (run.stage !== 'running') return [];
  const made = run.view?.maps.map(({ method }) => method) ?? [];
  return run.choice.methods.filter((method) => !made.includes(method) && !(method in run.failed));
}

/** The progress of methods whose maps are not finished. */
export function Making({ run }: { run: Run }) {
  const left = unfinished(run);
  if (left.length === 0) return null;
  return (
    <ul class="page-making" aria-label="Maps in progress">
      {left.map((method) => <li key={method}><MakingProgress run={run} method={method} /></li>)}
    </ul>
  );
}

export function MakingProgress({ run, method }: { run: Run; method: string }) {
  const progress = run.progress[method];
  return (
    <span class="page-progress">
      <span class="page-progress-name">{progress?.title ?? method}</span>
      <span class="page-soft">{progress ? `${progress.done} of ${progress.all}` : 'waits'}</span>
      <progress aria-label={`Progress of ${method}`} max={progress?.all ?? 1} value={progress?.done ?? 0} />
    </span>
  );
}

/** Methods that failed, and why. */
export function FailedMethods({ run }: { run: Run }) {
  const failed = Object.entries(run.failed);
  if (failed.length === 0) return null;
  return (
    <ul class="page-failures" aria-label="Methods that failed">
      {failed.map(([method, error]) => <li key={method} class="page-failed"><p><strong>{method}</strong>: {error}</p></li>)}
    </ul>
  );
}
