import { useEffect, useRef, useState } from 'preact/hooks';

/** Asks for the token that `dvm serve` printed when it started. */
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
        <h2 id="token-title">This server asks for a token</h2>
        <p>
          It is what the server was started with: on the terminal of <code>dvm serve</code>, or from the person who
          started it. This tab remembers it until it is closed.
        </p>
        {refused && <p class="problem" role="alert">The server did not accept that token.</p>}
        <label>
          Token
          <input
            type="password" autocomplete="off" spellcheck={false} required value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <div class="page-dialog-buttons"><button type="submit" class="primary">Go on</button></div>
      </form>
    </dialog>
  );
}
