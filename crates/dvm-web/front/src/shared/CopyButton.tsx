import { useRef, useState } from 'preact/hooks';

/** A text with a button that copies it. If the browser does not allow that, the text is selected. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const code = useRef<HTMLElement>(null);
  const [said, setSaid] = useState('');

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied.');
    } catch {
      if (code.current) getSelection()?.selectAllChildren(code.current);
      setSaid('The browser does not allow copying. The text is selected; copy it with Ctrl+C or ⌘C.');
    }
  };
  return (
    <div class="copy">
      <code ref={code} class="copy-text" tabIndex={0}>{text}</code>
      <button type="button" onClick={copy}>{label}</button>
      <span class="copy-said" role="status">{said}</span>
    </div>
  );
}
