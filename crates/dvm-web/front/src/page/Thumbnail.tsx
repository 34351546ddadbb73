import { useEffect, useRef, useState } from 'preact/hooks';
import type { Palette } from '../shared/colours.ts';
import { loadCrop } from '../shared/crop.ts';
import { loadMap } from '../shared/loaded-map.ts';
import { paint } from '../shared/overlay.ts';
import { makeScale } from '../shared/scale.ts';
import { Icon } from './Icon.tsx';
import type { Picture, Run } from './state.ts';

/** The picture with the first map of a run over it, or only the picture. Text beside it describes it. */
export function Thumbnail({ run, picture, palettes }: { run: Run; picture: Picture | null; palettes: Palette[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = run.view;
  const map = view?.maps[0] ?? null;
  const [unreadable, setUnreadable] = useState(false);

  useEffect(() => {
    if (view === null) return undefined;
    let gone = false;
    const draw = async () => {
      const crop = await loadCrop(view.input, view.size);
      const loaded = map ? await loadMap(map) : null;
      const target = canvas.current;
      const context = target?.getContext('2d');
      if (gone || !target || !context) return;
      [target.height, target.width] = view.size;
      const pixels = context.createImageData(target.width, target.height);
      const layer = map && loaded
        ? { values: (loaded.smooth ?? loaded.values).values, scale: makeScale(map.scale, palettes) }
        : null;
      paint(pixels, crop, layer, { mode: 'overlay', opacity: 0.45 });
      context.putImageData(pixels, 0, 0);
    };
    draw().catch(() => setUnreadable(true));
    return () => { gone = true; };
  }, [view?.input, map, palettes]);

  if (view !== null && !unreadable) return <canvas ref={canvas} class="page-thumbnail" aria-hidden="true" />;
  // Browsers cannot show DICOM, NIfTI or .npy.
  if (picture === null || unreadable) return <span class="page-thumbnail page-thumbnail-none"><Icon name="picture" /></span>;
  return <img class="page-thumbnail" src={picture.url} alt="" onError={() => setUnreadable(true)} />;
}
