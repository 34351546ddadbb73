import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Cell } from './cells.ts';
import { paint, paintBorders, type Look } from './overlay.ts';
import type { MapScale } from './scale.ts';

interface Props {
  /** Rows and columns. */
  size: [number, number];
  picture: ImageData | null;
  /** One value for each pixel. */
  values: Float32Array | null;
  scale: MapScale | null;
  look: Look;
  /** The segment of each pixel, for drawing borders. */
  segments?: Float32Array | null;
  /** Whether pixels stay square when enlarged. */
  pixelated?: boolean;
  cursor?: Cell | null;
  /** Without it, the map has no cursor. */
  onCursor?: (cell: Cell | null) => void;
  /** The target of the key M: the largest value. */
  peak?: Cell;
  /** The label for screen readers; empty if text beside it says the same. */
  label: string;
  /** Id of the element with the values under the cursor. */
  describedBy?: string;
  /** Drawn over the map. */
  children?: ComponentChildren;
}

/**
 * A picture with one map over it. Mouse, touch and arrow keys move a cursor; the Escape key removes it.
 *
 * The cursor stays when the mouse leaves the map, so that the values beside it can be read.
 */
export function MapCanvas(props: Props) {
  const { size, picture, values, scale, look, segments, pixelated, cursor, onCursor, peak, label, describedBy } = props;
  const [rows, columns] = size;
  const canvas = useRef<HTMLCanvasElement>(null);

  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const pixels = context.createImageData(columns, rows);
    paint(pixels, picture, values && scale ? { values, scale } : null, look);
    if (segments) paintBorders(pixels, segments);
    context.putImageData(pixels, 0, 0);
  }, [rows, columns, picture, values, scale, look.mode, look.opacity, segments]);

  const drawing = (
    <canvas
      ref={canvas}
      width={columns}
      height={rows}
      class={pixelated ? 'map-pixels pixelated' : 'map-pixels'}
      // With a cursor, the element around it has the label.
      role={onCursor || !label ? 'presentation' : 'img'}
      aria-label={onCursor || !label ? undefined : label}
    />
  );
  const cross = cursor && <Cross cursor={cursor} size={size} />;
  if (!onCursor) {
    return (
      <span class="map-canvas">
        {drawing}
        {cross}
        {props.children}
      </span>
    );
  }

  const at = (event: PointerEvent): Cell => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return {
      row: within(((event.clientY - box.top) / box.height) * rows, rows),
      column: within(((event.clientX - box.left) / box.width) * columns, columns),
    };
  };
  return (
    <div
      class="map-canvas"
      tabIndex={0}
      role="application"
      aria-roledescription="map"
      aria-label={label}
      aria-describedby={describedBy}
      onPointerMove={(event) => {
        if (event.pointerType === 'mouse' || event.buttons) onCursor(at(event));
      }}
      onPointerDown={(event) => onCursor(at(event))}
      onKeyDown={(event) => {
        const next = moved(event, cursor ?? null, size, peak);
        if (next === undefined) return;
        event.preventDefault();
        onCursor(next);
      }}
    >
      {drawing}
      {cross}
      {props.children}
    </div>
  );
}

function Cross({ cursor, size: [rows, columns] }: { cursor: Cell; size: [number, number] }) {
  const top = `${((cursor.row + 0.5) / rows) * 100}%`;
  const left = `${((cursor.column + 0.5) / columns) * 100}%`;
  return (
    <>
      <span class="cross cross-row" style={{ top }} />
      <span class="cross cross-column" style={{ left }} />
    </>
  );
}

/** The cursor after a key; undefined if the key does not move it. */
export function moved(
  { key, shiftKey, ctrlKey, metaKey, altKey }: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey'>,
  cursor: Cell | null,
  [rows, columns]: [number, number],
  peak?: Cell,
): Cell | null | undefined {
  if (ctrlKey || metaKey || altKey) return undefined;
  const from = cursor ?? { row: rows >> 1, column: columns >> 1 };
  const far = shiftKey ? 10 : 1;
  const to = (row: number, column: number) => ({ row: within(row, rows), column: within(column, columns) });
  switch (key) {
    case 'ArrowUp':
      return to(from.row - far, from.column);
    case 'ArrowDown':
      return to(from.row + far, from.column);
    case 'ArrowLeft':
      return to(from.row, from.column - far);
    case 'ArrowRight':
      return to(from.row, from.column + far);
    case 'Home':
      return to(from.row, 0);
    case 'End':
      return to(from.row, columns - 1);
    case 'm':
    case 'M':
      return peak;
    case 'Escape':
      return cursor ? null : undefined;
    default:
      return undefined;
  }
}

function within(place: number, length: number): number {
  return Math.min(Math.max(Math.floor(place), 0), length - 1);
}
