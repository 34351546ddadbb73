import { useEffect, useRef, useState } from 'preact/hooks';

/** A dialog for the token that `dvm serve` printed at its start. */
export function TokenDialog({ refused, onToken }: { refused: boolean; onToken: (token: string) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [token, setToken] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="page-dialog" aria-labelledby="token-title" onCancel={(event) => event.preventDefault()}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim() !== '') onToken(token.trim());
        }}
      >
        <h2 id="token-title">This server needs a token</h2>
        <p>
          The terminal of <code>dvm serve</code> shows the token; otherwise ask the person who started the server. This tab
          keeps it until the tab is closed.
        </p>
        {refused && <p class="problem" role="alert">The server did not accept that token.</p>}
        <label>
          Token
          <input
            type="password" autocomplete="off" spellcheck={false} required value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <div class="page-dialog-buttons"><button type="submit" class="primary">Continue</button></div>
      </form>
    </dialog>
  );
}
