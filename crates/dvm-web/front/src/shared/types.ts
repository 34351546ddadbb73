// The data that dvm gives to a browser. The Rust side is `src/view` (explanations), `src/report` (reports) and
// `src/api` (the page); change both together.

/** The numbers of an array, row-major, compressed (zlib), in base64. See `packed.ts`. */
export interface Packed {
  shape: number[];
  /** Bits of a number: 8 or 16 (little-endian). */
  bits: 8 | 16;
  /** The value of code 0. */
  low: number;
  /** The value of the largest code of a number; the code above it means "not finite". */
  high: number;
  data: string;
}

export interface Ranked {
  index: number;
  name: string;
  /** 0 … 1. */
  probability: number;
}

export interface Warning {
  /** The subject: `picture`, `network`, `figure`, or a method. */
  source: string;
  text: string;
}

export type Nature = 'magnitude' | 'signed' | 'level' | 'support';

export interface Scale {
  low: number;
  high: number;
  /** Name of a colour map in `Colours`. */
  colours: string;
  /** The position of the neutral value. */
  neutral: 'low' | 'middle' | 'high';
}

/** Colour maps by name: 256 colours, three bytes each, in base64. */
export type Colours = Record<string, { diverging: boolean; table: string }>;

/** The scores of the classes for each covered window. */
export interface Cells {
  /** For each row of the map, the row of cells that it shows. */
  rows: number[];
  /** For each column of the map, the column of cells. */
  columns: number[];
  /** What the numbers are: `probability`, `logit`, `log-probability`. */
  score: string;
  /** The classes in `values`, and their scores without a covered window. */
  classes: { index: number; name: string; whole: number }[];
  /** `[classes, rows of cells, columns of cells]`. */
  values: Packed;
}

export interface Curve {
  name: string;
  across: string;
  up: string;
  points: [number, number][];
}

/** The result of a metric for a map. */
export interface CheckView {
  metric: string;
  title: string;
  /** The result in one line of text. */
  line: string;
  /** Absent if it could not be measured. */
  value: number | null;
  /** Why it could not be measured. */
  error: string | null;
  finding: string | null;
  figures: { name: string; value: number }[];
  curves: Curve[];
}

export interface MapView {
  /** The name of the method, such as `grad-cam`. */
  method: string;
  /** The title with the main settings, such as `occlusion 20/10`. */
  title: string;
  /** The quantity of the values, such as `drop in probability`. */
  quantity: string;
  nature: Nature;
  /** `[H, W]`, one value for each pixel of the crop. */
  values: Packed;
  /** Of a coarse map, the values interpolated between its cells, for overlays. */
  smooth: Packed | null;
  /** The scale of dvm's figures. */
  scale: Scale;
  /** `[H, W]`, the segment of each pixel. */
  segments: Packed | null;
  cells: Cells | null;
  checks: CheckView[];
  /** The method's own checks. */
  own: { name: string; value: number; meaning: string }[];
  parameters: Record<string, unknown>;
  reference: string;
  seconds: number;
}

/** The explanation of one class of one picture. */
export interface ExplanationView {
  /** The picture's file or name. */
  name: string;
  /** The target: the class, or `tabby against tiger cat`. */
  title: string;
  /** The score as text: `96.2 %`. */
  score: string;
  class: Ranked;
  /** The most probable classes. */
  top: Ranked[];
  trueClass: string | null;
  warnings: Warning[];
  /** Rows and columns of the crop. */
  size: [number, number];
  /** The crop as a data URL (PNG or JPEG). */
  input: string;
  maps: MapView[];
  /** The whole record, as in `explanation.json`. */
  record: unknown;
}

// ---------------------------------------------------------------- reports

export interface Table {
  title: string;
  note: string | null;
  columns: { title: string; numeric: boolean }[];
  rows: (string | number | null)[][];
}

export type Section =
  | { type: 'text'; title: string | null; paragraphs: string[] }
  | ({ type: 'table' } & Table)
  /** `svg` is a chart drawn by dvm; `table` has its values for readers who cannot see it. */
  | { type: 'chart'; title: string; note: string | null; svg: string; table: Table | null }
  /** The pictures with their maps. */
  | { type: 'pictures'; title: string | null; paragraphs: string[]; group: string | null };

/** An entry in the list of pictures; its explanation is in the element `picture-<id>`, which is parsed when it is opened. */
export interface PictureEntry {
  id: number;
  name: string;
  title: string;
  class: Ranked;
  trueClass: string | null;
  /** Whether the prediction is right; null if the true class is not known. */
  right: boolean | null;
  warnings: number;
  methods: string[];
  /** The group of its section of pictures; null if there is only one. */
  group: string | null;
  /** A thumbnail of the overlay: a small JPEG (data URL). */
  thumbnail: string;
}

export interface Failed {
  name: string;
  error: string;
}

/** The element `head` of a report. */
export interface ReportHead {
  kind: 'explain' | 'compare' | 'survey' | 'train' | 'evaluate';
  title: string;
  /** The command line that made it, quoted for a shell. */
  command: string;
  version: string;
  /** The network, its preprocessing, the methods, and all their settings, as in the records. */
  parameters: Record<string, unknown>;
  warnings: Warning[];
  colours: Colours;
  sections: Section[];
  entries: PictureEntry[];
  failed: Failed[];
  /** Whether crops are JPEG and maps have 8 bits, because there are many pictures. */
  small: boolean;
}

// ---------------------------------------------------------------- the page

export interface Model {
  name: string;
  /** `[C, H, W]` of the network's input. */
  input: [number, number, number];
  classes: number;
  preprocessing: string;
  warnings: string[];
}

export interface OptionSpec {
  name: string;
  takes: string;
  default: string;
  help: string;
}

export interface MethodInfo {
  name: string;
  title: string;
  summary: string;
  family: string;
  reference: string;
  cost: string;
  networks: string;
  options: OptionSpec[];
}

/** GET /api/info */
export interface Info {
  version: string;
  models: Model[];
  methods: MethodInfo[];
  metrics: { name: string; title: string; summary: string }[];
  colours: Colours;
  limits: { bytes: number; pixels: number };
}

/** POST /api/pictures?name=… with the bytes of the file as the body. */
export interface PictureInfo {
  id: string;
  name: string;
  width: number;
  height: number;
  notes: string[];
}

/** POST /api/explain. The answer is a stream of lines, each an `ExplainEvent` as JSON (application/x-ndjson). */
export interface ExplainRequest {
  picture: string;
  model: string;
  /** Names of methods. Maps are made in this order. */
  methods: string[];
  /** Index of the class. Default: the most probable class. */
  class?: number;
  /** Index of a class to explain against. */
  against?: number;
  /** Options of methods and metrics, as text: `window`, or `occlusion.window` for one method. */
  options?: Record<string, string>;
  /** Names of metrics that test every map. */
  checks?: string[];
}

export type ExplainEvent =
  /** The first line: the prediction. `explanation` is the id for downloads; `view` has no maps. */
  | { event: 'prediction'; explanation: string; view: ExplanationView }
  | { event: 'progress'; method: string; title: string; done: number; all: number }
  /** Windows that were covered since the last such line: rows and columns [from, to) of the crop, and the drop of
      the class. */
  | { event: 'windows'; method: string; windows: { rows: [number, number]; columns: [number, number]; drop: number }[] }
  | { event: 'map'; method: string; map: MapView; warnings: Warning[] }
  | { event: 'failed'; method: string; error: string }
  /** The last line of a complete answer. */
  | { event: 'done'; seconds: number }
  /** The last line if everything failed. */
  | { event: 'error'; error: string };

/** POST /api/window: the prediction with a covered window of the crop. */
export interface WindowRequest {
  picture: string;
  model: string;
  /** Rows and columns of the crop, [from, to). */
  rows: [number, number];
  columns: [number, number];
  /** The fill: `mean` (default), `black`, `white`, `grey`, `blur`, `#RRGGBB`, … */
  fill?: string;
  /** Indices of classes to include. */
  classes: number[];
}

export interface WindowAnswer {
  /** The requested classes, in their order: probability without and with the covered window. */
  classes: { index: number; name: string; before: number; after: number }[];
  /** The most probable classes with the covered window. */
  top: Ranked[];
  milliseconds: number;
}

/** GET /api/models/{model}/classes?search=…&limit=…: classes whose name or index matches. */
export type ClassList = { index: number; name: string }[];

// GET /api/explanations/{explanation}/figure.png | figure.svg | figure.pdf | record.json | report.html |
// {method}.npy | {method}.raw.npy | {method}.png | {method}.overlay.png: downloads.

/** The body of an answer with an error status. */
export interface Problem {
  error: string;
}
