import { useEffect, useRef, useState } from 'preact/hooks';

interface Props {
  onPicture: (blob: Blob, name: string) => void;
  onClose: () => void;
}

/** A dialog with the camera's view and a button that takes a picture. Closing it switches the camera off. */
export function CameraDialog({ onPicture, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [ready, setReady] = useState(false);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    dialog.current?.showModal();
    let stream: MediaStream | null = null;
    let closed = false;
    navigator.mediaDevices
      .getUserMedia({ audio: false, video: { facingMode: 'environment', width: { ideal: 1920 } } })
      .then((got) => {
        stream = got;
        if (closed || !video.current) off(got);
        else video.current.srcObject = got;
      })
      .catch((problem: unknown) => setError(cameraProblem(problem)));
    return () => {
      closed = true;
      if (stream) off(stream);
    };
  }, []);

  const take = () => {
    const seen = video.current;
    if (!seen) return;
    const canvas = document.createElement('canvas');
    canvas.width = seen.videoWidth;
    canvas.height = seen.videoHeight;
    canvas.getContext('2d')?.drawImage(seen, 0, 0);
    canvas.toBlob((blob) => {
      if (blob) onPicture(blob, `camera-${new Date().toTimeString().slice(0, 8).replaceAll(':', '')}.png`);
      dialog.current?.close();
    }, 'image/png');
  };

  return (
    <dialog ref={dialog} class="page-dialog page-camera" aria-labelledby="camera-title" onClose={onClose}>
      <h2 id="camera-title">Take a picture</h2>
      {error === null
        ? <video ref={video} autoplay playsInline muted onLoadedData={() => setReady(true)} aria-label="View of the camera" />
        : <p role="alert">{error}</p>}
      <div class="page-dialog-buttons">
        <button type="button" class="primary" disabled={!ready} onClick={take}>Take the picture</button>
        <button type="button" onClick={() => dialog.current?.close()}>Cancel</button>
      </div>
    </dialog>
  );
}

function off(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function cameraProblem(problem: unknown): string {
  const name = problem instanceof DOMException ? problem.name : '';
  if (name === 'NotAllowedError') return 'The browser does not allow this page to use the camera. Allow it in the address bar, then try again.';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'No camera was found.';
  return `The camera does not start: ${problem instanceof Error ? problem.message : String(problem)}`;
}
