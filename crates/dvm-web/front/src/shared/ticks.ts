/** Ticks of a scale and the format of numbers, as in dvm's figures. */

export interface Tick {
  /** 0 at the low end, 1 at the high end. */
  position: number;
  label: string;
}

/** The ends of the scale at which values are clipped. */
export interface Clipped {
  below: boolean;
  above: boolean;
}

/** Ticks at multiples of 1, 2 or 5 times a power of ten, at least a `count`-th of the scale apart. */
export function ticks(low: number, high: number, count = 6, clipped: Clipped = { below: false, above: false }): Tick[] {
  if (!(high > low)) return [{ position: 0.5, label: formatNumber(low) }];
  const step = stepAtLeast((high - low) / count);
  const notation = notationOf(Math.max(Math.abs(low), Math.abs(high)), step.exponent);
  const position = (value: number) => Math.min(Math.max((value - low) / (high - low), 0), 1);
  // The label of a clipped end needs room.
  const room = (0.6 * (high - low)) / count;
  const slack = step.value * 1e-6;
  const first = clipped.below ? low + room : low - slack;
  const last = clipped.above ? high - room : high + slack;

  const found: Tick[] = [];
  if (clipped.below) found.push({ position: 0, label: `≤ ${writeFiner(notation, low)}` });
  for (let multiple = Math.ceil(first / step.value); multiple * step.value <= last; multiple++) {
    const value = multiple * step.value;
    found.push({ position: position(value), label: write(notation, value) });
  }
  if (clipped.above) found.push({ position: 1, label: `≥ ${writeFiner(notation, high)}` });
  return found;
}

/** A number with up to `digits` significant digits, without trailing zeros. */
export function formatNumber(value: number, digits = 4): string {
  if (value === Infinity || value === -Infinity) return value > 0 ? '∞' : '−∞';
  // JSON writes null for numbers that are not finite.
  if (!Number.isFinite(value)) return 'not a number';
  const { exponent } = parts(value);
  const text = write(notationOf(Math.abs(value), exponent - digits + 1), value);
  const [number = '', power] = text.split('×');
  const short = number.includes('.') ? number.replace(/\.?0+$/, '') : number;
  return power === undefined ? short : `${short}×${power}`;
}

/** A probability as dvm writes it, with one decimal. */
export function formatPercent(share: number): string {
  if (!Number.isFinite(share)) return formatNumber(share);
  const text = (Math.abs(share) * 100).toFixed(1);
  return `${share < 0 && text !== '0.0' ? '−' : ''}${text} %`;
}

interface Notation {
  decimals: number;
  /** The written power of ten; null for none. */
  exponent: number | null;
}

/** Fixed notation if it is short, such as `0.00015`; otherwise `2.5×10⁻⁶`. */
function notationOf(largest: number, stepExponent: number): Notation {
  const { exponent } = parts(largest);
  const decimals = Math.max(-stepExponent, 0);
  if (exponent >= 6 || (exponent < -2 && decimals > 5)) {
    return { decimals: Math.max(exponent - stepExponent, 0), exponent };
  }
  return { decimals, exponent: null };
}

function digitsOf({ decimals, exponent }: Notation, value: number, more: number): string {
  const shown = exponent === null ? value : value / powerOfTen(exponent);
  const text = Math.abs(shown).toFixed(Math.min(decimals + more, 100));
  return shown < 0 && !isZero(text) ? `−${text}` : text;
}

function write(notation: Notation, value: number, more = 0): string {
  const text = digitsOf(notation, value, more);
  if (isZero(text)) return '0';
  return notation.exponent === null ? text : `${text}×10${superscript(notation.exponent)}`;
}

/** One decimal more than the ticks, unless it is zero. */
function writeFiner(notation: Notation, value: number): string {
  return write(notation, value, digitsOf(notation, value, 1).endsWith('0') ? 0 : 1);
}

function isZero(text: string): boolean {
  return /^[0.]*$/.test(text);
}

function stepAtLeast(least: number): { value: number; exponent: number } {
  const { mantissa, exponent } = parts(least);
  const digit = [1, 2, 5].find((candidate) => mantissa <= candidate);
  return digit === undefined
    ? { value: powerOfTen(exponent + 1), exponent: exponent + 1 }
    : { value: digit * powerOfTen(exponent), exponent };
}

/** Mantissa in 1 … 10 and power of ten, from the decimal text, which is exact; a logarithm could be rounded. */
function parts(value: number): { mantissa: number; exponent: number } {
  const [mantissa, exponent] = Math.abs(value).toExponential().split('e').map(Number);
  return { mantissa: mantissa ?? 0, exponent: exponent ?? 0 };
}

function powerOfTen(exponent: number): number {
  return Number(`1e${exponent}`);
}

function superscript(exponent: number): string {
  return [...String(exponent)].map((letter) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(letter)] ?? '⁻').join('');
}
