import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './Icon.tsx';
import type { Session } from './session.ts';

/** File types that the file dialog offers; other files can also be sent. */
export const KINDS = 'image/*,.dcm,.nii,.gz,.npy';

interface Named {
  blob: Blob;
  name: string;
}

/** The page without pictures: a large area to drop, paste, choose or take one. */
export function AddPicture({ session, ready, onCamera }: { session: Session; ready: boolean; onCamera: () => void }) {
  return (
    <section class="page-welcome" aria-labelledby="welcome">
      <Icon name="picture" />
      <h1 id="welcome">What does the network look at?</h1>
      <p>Drop a picture anywhere on this page, paste one, or choose a file.</p>
      <div class="page-welcome-buttons">
        <ChooseButton session={session} text="Choose pictures" primary disabled={!ready} />
        <CameraButton session={session} onCamera={onCamera} disabled={!ready} />
      </div>
      <p class="page-soft">Several pictures are explained one after the other.</p>
    </section>
  );
}

interface ChooseProps {
  session: Session;
  text: string;
  /** The rest of the text, hidden on narrow screens. */
  more?: string;
  primary?: boolean;
  disabled?: boolean;
}

export function ChooseButton({ session, text, more = '', primary = false, disabled = false }: ChooseProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class={primary ? 'primary' : ''} disabled={disabled} onClick={() => input.current?.click()}>
        <Icon name="add" /> {text}{more !== '' && <span class="page-wide-only"> {more}</span>}
      </button>
      <FileInput refTo={input} session={session} label={text} />
    </>
  );
}

/** Opens the camera: on a phone in the camera app, otherwise in a dialog of the page. */
export function CameraButton({ session, onCamera, disabled = false }: { session: Session; onCamera: () => void; disabled?: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  const phone = matchMedia('(pointer: coarse)').matches;
  const here = typeof navigator.mediaDevices?.getUserMedia === 'function';
  if (!phone && !here) return null;
  return (
    <>
      <button
        type="button" disabled={disabled} aria-label="Take a picture"
        onClick={() => (phone ? input.current?.click() : onCamera())}
      >
        <Icon name="camera" /> <span class="page-wide-only">Take a picture</span>
      </button>
      {phone && <FileInput refTo={input} session={session} label="Take a picture" capture />}
    </>
  );
}

interface FileInputProps {
  refTo: { current: HTMLInputElement | null };
  session: Session;
  label: string;
  capture?: boolean;
}

function FileInput({ refTo, session, label, capture = false }: FileInputProps) {
  return (
    <input
      ref={refTo} class="for-readers" type="file" tabIndex={-1} aria-hidden="true" aria-label={label} multiple={!capture}
      accept={capture ? 'image/*' : KINDS} {...(capture ? { capture: 'environment' } : {})}
      onChange={(event) => {
        session.addPictures(named(event.currentTarget.files));
        event.currentTarget.value = '';
      }}
    />
  );
}

/** Adds files that are dropped or pasted anywhere on the page. */
export function DropEverywhere({ session }: { session: Session }) {
  const [over, setOver] = useState(false);
  useEffect(() => {
    // Every element under the pointer sends enter and leave events; only the last leave counts.
    let depth = 0;
    const carries = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const enter = (event: DragEvent) => {
      if (!carries(event)) return;
      event.preventDefault();
      depth += 1;
      setOver(true);
    };
    const leave = () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const hover = (event: DragEvent) => {
      if (carries(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!carries(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      session.addPictures(named(event.dataTransfer?.files ?? null));
    };
    let pasted = 0;
    const paste = (event: ClipboardEvent) => {
      const files = named(event.clipboardData?.files ?? null);
      if (files.length === 0) return;
      event.preventDefault();
      session.addPictures(files.map(({ blob, name }) => {
        pasted += 1;
        // Browsers name every picture in the clipboard `image.png`.
        return { blob, name: name === 'image.png' ? `pasted-${pasted}.png` : name };
      }));
    };
    document.addEventListener('dragenter', enter);
    document.addEventListener('dragleave', leave);
    document.addEventListener('dragover', hover);
    document.addEventListener('drop', drop);
    document.addEventListener('paste', paste);
    return () => {
      document.removeEventListener('dragenter', enter);
      document.removeEventListener('dragleave', leave);
      document.removeEventListener('dragover', hover);
      document.removeEventListener('drop', drop);
      document.removeEventListener('paste', paste);
    };
  }, [session]);
  return over ? <div class="page-drop" aria-hidden="true"><p>Drop to explain</p></div> : null;
}

function named(files: FileList | null): Named[] {
  return [...(files ?? [])].map((file) => ({ blob: file, name: file.name || 'picture' }));
}
