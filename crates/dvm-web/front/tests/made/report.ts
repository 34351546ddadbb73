import type {
  CheckView,
  Colours,
  PictureEntry,
  ExplanationView,
  MapView,
  ReportHead,
  Section,
} from '../../src/shared/types.ts';
import { pack, png } from './encode.ts';

// Reports with made-up pictures and maps in the format of dvm. Nothing in them is a result.

const CLASSES = ['tabby', 'tiger cat', 'Egyptian cat', 'lynx', 'espresso', 'cup', 'goldfish', 'daisy'];

interface Options {
  pictures: number;
  /** Rows and columns of a crop. */
  size?: [number, number];
  small?: boolean;
  kind?: ReportHead['kind'];
}

export interface MadeReport {
  head: ReportHead;
  /** One at a time, so that a thousand are not in memory together. */
  entry: (id: number) => ExplanationView;
}

export function madeReport({ pictures, size = [224, 224], small = pictures > 100, kind = 'explain' }: Options): MadeReport {
  const entries = Array.from({ length: pictures }, (_, id) => madeEntry(id));
  return {
    head: {
      kind,
      title: `Explanations of ${pictures} made-up pictures`,
      command: "dvm explain 'pictures/a & b' --model squeezenet1_1 --method grad-cam,occlusion,integrated-gradients --report report.html",
      version: '0.0.0-test',
      parameters: {
        network: { name: 'squeezenet1_1', input: [3, ...size], classes: 1000 },
        preprocessing: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225], resize: 256 },
        methods: [{ name: 'grad-cam' }, { name: 'occlusion', window: 20, stride: 10, fill: 'mean' }],
        seed: 0,
      },
      warnings: [{ source: 'network', text: 'The file says nothing of its preprocessing; that of ImageNet is assumed.' }],
      colours: COLOURS,
      sections: sections(),
      entries,
      failed: [{ name: 'broken.png', error: 'the file ends early: row 12 of 240' }],
      small,
    },
    entry: (id) => madeExplanation(entries[id]!, size, small),
  };
}

/** The elements at the mark of the template. */
export function elements({ head, entry }: MadeReport): string {
  const element = (id: string, kind: string, json: unknown) =>
    `<script type="application/json"${kind} id="${id}">${JSON.stringify(json).replaceAll('<', '\\u003c')}</script>\n`;
  return (
    head.entries.map(({ id }) => element(`picture-${id}`, ' class="picture"', entry(id))).join('') +
    element('head', '', head)
  );
}

function madeEntry(id: number): PictureEntry {
  const random = randomOf(id);
  const index = Math.floor(random() * CLASSES.length);
  const trueIndex = random() < 0.7 ? index : Math.floor(random() * CLASSES.length);
  return {
    id,
    name: `pictures/${CLASSES[trueIndex]!.replace(' ', '_')}_${id}.jpg`,
    title: CLASSES[index]!,
    class: { index, name: CLASSES[index]!, probability: 0.4 + 0.6 * random() },
    trueClass: id % 10 === 9 ? null : CLASSES[trueIndex]!,
    right: id % 10 === 9 ? null : index === trueIndex,
    warnings: id % 7 === 3 ? 1 : 0,
    methods: ['grad-cam', 'occlusion', 'integrated-gradients'],
    group: null,
    thumbnail: png(64, 64, pixelOf(id, 64, 64, false)),
  };
}

function madeExplanation(entry: PictureEntry, size: [number, number], small: boolean): ExplanationView {
  const [rows, columns] = size;
  const random = randomOf(entry.id + 1000);
  const bits = small ? 8 : 16;
  const rest = 1 - entry.class.probability;
  return {
    name: entry.name,
    title: entry.title,
    score: `${(entry.class.probability * 100).toFixed(1)} %`,
    class: entry.class,
    top: [0, 1, 2, 3, 4].map((place) => ({
      index: (entry.class.index + place) % CLASSES.length,
      name: CLASSES[(entry.class.index + place) % CLASSES.length]!,
      probability: place === 0 ? entry.class.probability : rest * [0, 0.5, 0.25, 0.12, 0.06][place]!,
    })),
    trueClass: entry.trueClass,
    warnings: entry.warnings ? [{ source: 'picture', text: 'The picture is smaller than the input of the network and was enlarged.' }] : [],
    size,
    // Real reports have a JPEG; without noise, a PNG has a similar size.
    input: png(columns, rows, pixelOf(entry.id, rows, columns, !small)),
    maps: [gradCam(random, size, bits), occlusion(random, size, bits, entry), gradients(random, size, bits)],
    record: {
      file: entry.name,
      class: entry.class,
      picture: { rows: rows + 32, columns: columns + 96, crop: 'centre' },
      seed: 0,
    },
  };
}

function gradCam(random: () => number, size: [number, number], bits: 8 | 16): MapView {
  const values = blob(random, size, 7);
  return {
    ...base(size, bits, values),
    method: 'grad-cam',
    title: 'grad-cam',
    quantity: 'weighted channels',
    nature: 'magnitude',
    scale: { low: 0, high: 0.5 + 0.5 * random(), colours: 'inferno', neutral: 'low' },
    checks: [check(random)],
    parameters: { layer: 'features.12', relu: true },
    reference: 'Selvaraju et al. 2017, arXiv 1610.02391',
  };
}

function occlusion(random: () => number, size: [number, number], bits: 8 | 16, entry: PictureEntry): MapView {
  const [rows, columns] = size;
  const cellRows = Math.max(Math.ceil((rows - 20) / 10) + 1, 1);
  const cellColumns = Math.max(Math.ceil((columns - 20) / 10) + 1, 1);
  const place = (count: number) => (at: number) => Math.min(Math.max(Math.round((at - 9.5) / 10), 0), count - 1);
  const rowOf = Array.from({ length: rows }, (_, row) => place(cellRows)(row));
  const columnOf = Array.from({ length: columns }, (_, column) => place(cellColumns)(column));
  const drops = blob(random, [cellRows, cellColumns], 3).map((value) => value * 0.7 - 0.05);
  const classes = [0, 1, 2, 3, 4].map((which) => ({
    index: (entry.class.index + which) % CLASSES.length,
    name: CLASSES[(entry.class.index + which) % CLASSES.length]!,
    whole: which === 0 ? entry.class.probability : 0.02,
  }));
  const covered = classes.flatMap(({ whole }, which) =>
    Array.from(drops, (drop) => (which === 0 ? whole - drop : whole + Math.max(drop, 0) / 8)),
  );
  const smooth = blob(random, size, 5).map((value) => value * 0.7 - 0.05);
  const values = Float32Array.from({ length: rows * columns }, (_, i) => {
    const cell = rowOf[Math.floor(i / columns)]! * cellColumns + columnOf[i % columns]!;
    return drops[cell]!;
  });
  return {
    ...base(size, bits, values),
    method: 'occlusion',
    title: 'occlusion 20/10',
    quantity: 'drop in probability',
    nature: 'signed',
    smooth: pack(smooth, size, bits),
    scale: { low: -0.65, high: 0.65, colours: 'rdbu', neutral: 'middle' },
    cells: {
      rows: rowOf,
      columns: columnOf,
      score: 'probability',
      classes,
      values: pack(covered, [classes.length, cellRows, cellColumns], 16),
    },
    own: [{ name: 'largest drop', value: 0.61, meaning: 'how much the class loses with the most important window covered' }],
    parameters: { window: 20, stride: 10, fill: 'mean' },
    reference: 'Zeiler and Fergus 2014, arXiv 1311.2901',
  };
}

function gradients(random: () => number, size: [number, number], bits: 8 | 16): MapView {
  const [rows, columns] = size;
  const around = blob(random, size, 7);
  const values = around.map((value) => value * (random() - 0.45) * 0.02);
  values[0] = NaN;
  const segments = Float32Array.from({ length: rows * columns }, (_, i) =>
    Math.floor(Math.floor(i / columns) / 32) * 8 + Math.floor((i % columns) / 28),
  );
  return {
    ...base(size, bits, values),
    method: 'integrated-gradients',
    title: 'integrated gradients',
    quantity: 'sum of input × gradient over channels',
    nature: 'signed',
    scale: { low: -0.008, high: 0.008, colours: 'rdbu', neutral: 'middle' },
    segments: pack(segments, size, 16),
    parameters: { steps: 50, baseline: 'black' },
    reference: 'Sundararajan et al. 2017, arXiv 1703.01365',
  };
}

function base(size: [number, number], bits: 8 | 16, values: Float32Array) {
  return {
    values: pack(values, size, bits),
    smooth: null,
    segments: null,
    cells: null,
    checks: [],
    own: [],
    seconds: 0.125,
  };
}

function check(random: () => number): CheckView {
  const steps = Array.from({ length: 21 }, (_, i) => i / 20);
  const steep = 2 + 4 * random();
  return {
    metric: 'deletion',
    title: 'Deletion and insertion',
    line: 'area 0.21 under deletion, 0.74 under insertion (50 steps, blurred baseline)',
    value: 0.53,
    error: null,
    finding: 'The map finds what the network uses better than a random one does.',
    figures: [
      { name: 'area under deletion', value: 0.21 },
      { name: 'area under insertion', value: 0.74 },
    ],
    curves: [
      { name: 'deletion', across: 'share of pixels', up: 'probability', points: steps.map((x) => [x, 0.9 * Math.exp(-steep * x)]) },
      { name: 'insertion', across: 'share of pixels', up: 'probability', points: steps.map((x) => [x, 0.9 * (1 - Math.exp(-steep * x))]) },
    ],
  };
}

/** A map of a few soft hills. */
function blob(random: () => number, [rows, columns]: [number, number], hills: number): Float32Array {
  const places = Array.from({ length: hills }, () => ({
    row: rows * (0.2 + 0.6 * random()),
    column: columns * (0.2 + 0.6 * random()),
    width: Math.max(rows, columns) * (0.05 + 0.12 * random()),
    height: random(),
  }));
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / columns);
    const column = i % columns;
    let sum = 0;
    for (const hill of places) {
      const distance = (row - hill.row) ** 2 + (column - hill.column) ** 2;
      sum += hill.height * Math.exp(-distance / (2 * hill.width ** 2));
    }
    values[i] = Math.min(sum, 1);
  }
  return values;
}

/** A picture with soft colours, one bright disc and some texture. */
function pixelOf(id: number, rows: number, columns: number, noisy: boolean) {
  const random = randomOf(id + 77);
  const [hue, y, x, radius] = [random() * 6, 0.3 + 0.4 * random(), 0.3 + 0.4 * random(), 0.12 + 0.15 * random()];
  return (row: number, column: number): [number, number, number] => {
    const [v, u] = [row / rows, column / columns];
    const inside = (v - y) ** 2 + (u - x) ** 2 < radius ** 2;
    const texture = noisy ? 12 * Math.sin(40 * u + 3 * Math.sin(9 * v)) + (((row * 7919) ^ (column * 104729)) % 16) : 0;
    const channel = (shift: number) => {
      const light = 110 + 80 * Math.sin(hue + shift + 2 * u + v) + (inside ? 70 : 0) + texture;
      const step = noisy ? 1 : 6;
      return Math.max(0, Math.min(255, Math.round(light / step) * step));
    };
    return [channel(0), channel(2), channel(4)];
  };
}

/** Numbers in [0, 1) that depend only on the seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function sections(): Section[] {
  return [
    { type: 'text', title: 'What this is', paragraphs: ['Made-up pictures with made-up maps, to test how a report looks and works.'] },
    {
      type: 'table',
      title: 'Methods',
      note: 'Means over all pictures.',
      columns: [
        { title: 'Method', numeric: false },
        { title: 'Seconds', numeric: true },
        { title: 'Area', numeric: true },
      ],
      rows: [
        ['grad-cam', 0.012, 0.53],
        ['occlusion 20/10', 1.9, 0.61],
        ['integrated gradients', 0.8, null],
      ],
    },
    {
      type: 'chart',
      title: 'Seconds by method',
      note: null,
      svg: '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="90" viewBox="0 0 320 90"><rect x="60" y="10" width="20" height="20" fill="#1a5fb4"/><rect x="60" y="50" width="220" height="20" fill="#1a5fb4"/><text x="4" y="25" font-size="11">grad-cam</text><text x="4" y="65" font-size="11">occlusion</text></svg>',
      table: {
        title: 'Seconds by method',
        note: null,
        columns: [
          { title: 'Method', numeric: false },
          { title: 'Seconds', numeric: true },
        ],
        rows: [
          ['grad-cam', 0.012],
          ['occlusion 20/10', 1.9],
        ],
      },
    },
    { type: 'pictures', title: 'Pictures', paragraphs: ['Click a picture to see its maps.'], group: null },
  ];
}

/** Linear interpolation between a few colours of dvm's colour maps. */
const COLOURS: Colours = {
  inferno: lines(false, [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]]),
  viridis: lines(false, [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]),
  rdbu: lines(true, [[5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247], [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31]]),
  'blue-white-red': lines(true, [[0, 0, 255], [255, 255, 255], [255, 0, 0]]),
};

export function lines(diverging: boolean, colours: [number, number, number][]): Colours[string] {
  const table = Buffer.alloc(768);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (colours.length - 1);
    const first = Math.min(Math.floor(place), colours.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      const [a, b] = [colours[first]![channel]!, colours[first + 1]![channel]!];
      table[3 * i + channel] = Math.round(a + (b - a) * (place - first));
    }
  }
  return { diverging, table: table.toString('base64') };
}
