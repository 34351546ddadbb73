// What the program gives to a browser. The Rust side is `src/view` (explanations), `src/report` (reports) and
// `src/api` (the page); a change here is a change there.

/** Numbers of one array, row-major: deflated (zlib), in base64. See `packed.ts`. */
export interface Packed {
  shape: number[];
  /** Bits of a number: 8 or 16 (little-endian). */
  bits: 8 | 16;
  /** The value of code 0. */
  low: number;
  /** The value of the largest code for a number; the code above it means "not finite". */
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
  /** Who warns: `picture`, `network`, `figure`, or a method. */
  source: string;
  text: string;
}

export type Nature = 'magnitude' | 'signed' | 'level' | 'support';

export interface Scale {
  low: number;
  high: number;
  /** Name of a colour map in `Colours`. */
  colours: string;
  /** The end at which a value says nothing. */
  neutral: 'low' | 'middle' | 'high';
}

/** Colour maps by name: 256 colours, three bytes each, in base64. */
export type Colours = Record<string, { diverging: boolean; table: string }>;

/** What every class scored while a window of the picture was covered. */
export interface Cells {
  /** For each row of the map, the row of cells that it shows. */
  rows: number[];
  /** For each column of the map, the column of cells. */
  columns: number[];
  /** What the numbers are: `probability`, `logit`, `log-probability`. */
  score: string;
  /** The classes that `values` has, and their scores with nothing covered. */
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

/** What a metric found of a map. */
export interface CheckView {
  metric: string;
  title: string;
  /** All in one line, for people. */
  line: string;
  /** Absent where it could not be measured. */
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
  /** With the settings that matter, such as `occlusion 20/10`. */
  title: string;
  /** What the numbers are, such as `drop in probability`. */
  quantity: string;
  nature: Nature;
  /** `[H, W]`, one number for each pixel of the crop. */
  values: Packed;
  /** The same for the eye where the map is coarse: smooth between its cells. Overlays draw this. */
  smooth: Packed | null;
  /** The scale that the program's own figures use. */
  scale: Scale;
  /** `[H, W]`, the number of each pixel's segment. */
  segments: Packed | null;
  cells: Cells | null;
  checks: CheckView[];
  /** How well the method did by its own measure. */
  own: { name: string; value: number; meaning: string }[];
  parameters: Record<string, unknown>;
  reference: string;
  seconds: number;
}

/** One class of one picture. */
export interface ExplanationView {
  /** The picture's file, or the name that it was given. */
  name: string;
  /** What is explained: the class, or `tabby against tiger cat`. */
  title: string;
  /** `96.2 %`, for people. */
  score: string;
  class: Ranked;
  /** The most probable classes. */
  top: Ranked[];
  trueClass: string | null;
  warnings: Warning[];
  /** Rows and columns of the crop. */
  size: [number, number];
  /** The crop that the network saw, as a data URL (PNG or JPEG). */
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
  /** `svg` is a drawing of the program itself; `table` holds its numbers for those who cannot see it. */
  | { type: 'chart'; title: string; note: string | null; svg: string; table: Table | null }
  /** Where the pictures stand in the report. */
  | { type: 'pictures'; title: string | null; paragraphs: string[]; group: string | null };

/** One line of the list of pictures; the rest is in the element `picture-<id>`, read when it is looked at. */
export interface Entry {
  id: number;
  name: string;
  title: string;
  class: Ranked;
  trueClass: string | null;
  /** Whether the most probable class is the true one; null where that is not known. */
  right: boolean | null;
  warnings: number;
  methods: string[];
  /** Of which section of pictures it is; null where there is one only. */
  group: string | null;
  /** A small JPEG (data URL) of what the picture's overlay looks like. */
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
  /** The command that made it, ready for a shell. */
  command: string;
  version: string;
  /** The network, its preprocessing, the methods, and every parameter, as in the records. */
  parameters: Record<string, unknown>;
  warnings: Warning[];
  colours: Colours;
  sections: Section[];
  entries: Entry[];
  failed: Failed[];
  /** Whether crops are JPEGs and maps have 8 bits, because there are many. */
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
  /** Made one after the other, in this order. */
  methods: string[];
  /** Index of the class; absent for the most probable one. */
  class?: number;
  /** Index of the class that it is explained against. */
  against?: number;
  /** `window`, or `occlusion.window`, … : what the methods' options take, as text. */
  options?: Record<string, string>;
  /** Metrics to test every map by. */
  checks?: string[];
}

export type ExplainEvent =
  /** First: what the network says. `explanation` names the results for downloads; `view` has no maps yet. */
  | { event: 'prediction'; explanation: string; view: ExplanationView }
  | { event: 'progress'; method: string; title: string; done: number; all: number }
  /** Windows that were covered since the last such line: rows and columns [from, to) of the crop, and what the
      class lost. */
  | { event: 'windows'; method: string; windows: { rows: [number, number]; columns: [number, number]; drop: number }[] }
  | { event: 'map'; method: string; map: MapView; warnings: Warning[] }
  | { event: 'failed'; method: string; error: string }
  /** Last, if nothing stopped it. */
  | { event: 'done'; seconds: number }
  /** Last: all of it failed. */
  | { event: 'error'; error: string };

/** POST /api/window: what the network says with a window of the crop covered. */
export interface WindowRequest {
  picture: string;
  model: string;
  /** Rows and columns of the crop, [from, to). */
  rows: [number, number];
  columns: [number, number];
  /** `mean`, `black`, `white`, `grey`, `blur`, `#RRGGBB`, …: what covers. Absent: `mean`. */
  fill?: string;
  /** The classes to tell, by index. */
  classes: number[];
}

export interface WindowAnswer {
  /** Of the classes asked for, in their order: probability with nothing covered, and with the window covered. */
  classes: { index: number; name: string; before: number; after: number }[];
  /** The most probable classes with the window covered. */
  top: Ranked[];
  milliseconds: number;
}

/** GET /api/models/{model}/classes?search=…&limit=…: classes whose name or index matches. */
export type ClassList = { index: number; name: string }[];

// GET /api/explanations/{explanation}/figure.png | figure.svg | figure.pdf | record.json | report.html |
// {method}.npy | {method}.raw.npy | {method}.png | {method}.overlay.png: downloads.

/** What an answer with another status than 200 holds. */
export interface Problem {
  error: string;
}
