import { classTitle } from './class-title.ts';
import { formatPercent } from './ticks.ts';
import type { Ranked } from './types.ts';

interface Props {
  classes: Ranked[];
  /** Index of the explained class. */
  explained?: number | null;
  /** Name of the true class, if known. */
  trueClass?: string | null;
  label?: string;
  /** If given, each class is a button. */
  onChoose?: (chosen: Ranked) => void;
}

/** Classes with their probabilities, as a list with bars. */
export function Bars({ classes, explained, trueClass, label = 'Most probable classes', onChoose }: Props) {
  return (
    <ol class="bars" aria-label={label}>
      {classes.map((ranked) => {
        const isExplained = ranked.index === explained;
        const marks = [isExplained && 'explained', ranked.name === trueClass && 'true class'].filter(Boolean);
        const text = (
          <>
            <span class="bars-name">
              {classTitle(ranked.name)}
              {marks.map((mark) => (
                <span key={mark} class="tag">{mark}</span>
              ))}
            </span>
            <span class="bars-number">{formatPercent(ranked.probability)}</span>
            <span class="bars-track" aria-hidden="true">
              <span style={{ width: `${Math.min(Math.max(ranked.probability, 0), 1) * 100}%` }} />
            </span>
          </>
        );
        return (
          <li key={ranked.index} class={isExplained ? 'bars-explained' : ''}>
            {onChoose ? (
              <button type="button" class="bars-row" aria-pressed={isExplained} onClick={() => onChoose(ranked)}>
                {text}
              </button>
            ) : (
              <span class="bars-row">{text}</span>
            )}
          </li>
        );
      })}
    </ol>
  );
}
