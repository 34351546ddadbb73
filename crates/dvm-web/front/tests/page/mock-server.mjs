// A mock of `dvm serve` with made-up numbers, to view and test the page without Rust.
//
//   node tests/page/mock-server.mjs [--port 8099] [--token SECRET] [--slow MILLISECONDS]
//
// It does not read pictures: the sent file is shown, and maps are blobs that depend on the class.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';

const EMBEDDED = resolve(import.meta.dirname, '../../../embedded');
const SIDE = 224;
const CLASSES = 1000;
const NAMES = {
  281: 'tabby', 282: 'tiger cat', 283: 'Persian cat', 284: 'Siamese cat', 285: 'Egyptian cat', 287: 'lynx',
  207: 'golden retriever', 504: 'coffee mug', 967: 'espresso', 968: 'cup', 910: 'wooden spoon',
};
const nameOf = (index) => NAMES[index] ?? `class ${index}`;

/** The content security policy: the page may load its own files and pictures in memory. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const model = (name) => ({
  name, input: [3, SIDE, SIDE], classes: CLASSES,
  preprocessing: 'shorter side to 256, bilinear; centre 224 × 224; mean 127, std 128', warnings: [],
});
const method = (name, family, summary, cost, options = [], reference = 'Selvaraju and others 2017, arXiv 1610.02391') =>
  ({ name, title: name, summary, family, reference, cost, networks: 'all', options });
const option = (name, takes, fallback, help) => ({ name, takes, default: fallback, help });
const CHANNELS = option('channels', 'max-abs|sum', 'max-abs', 'how the colour channels become one map');

const INFO = {
  version: '0.1.0',
  models: [model('efficientnet_lite0'), model('squeezenet1_1')],
  methods: [
    method('guided-backprop', 'gradients', 'the gradient, with negative parts cut off on the way back', '1 pass forward, 1 back', [CHANNELS], 'Springenberg and others 2014, arXiv 1412.6806'),
    method('gradient', 'gradients', 'how the score changes with each pixel', '1 pass forward, 1 back', [CHANNELS], 'Simonyan and others 2013, arXiv 1312.6034'),
    method('integrated-gradients', 'gradients', 'gradients along the way from a baseline to the picture', '`steps` passes forward and back for each baseline', [option('steps', 'N', '50', 'points on the way')], 'Sundararajan and others 2017, arXiv 1703.01365'),
    method('grad-cam', 'class activation maps', 'places of the last feature map that speak for the class', '1 pass forward, 1 back to the layer'),
    method('layer-cam', 'class activation maps', 'each place by its own gradient', '1 pass forward, 1 back to the layer'),
    method('score-cam', 'class activation maps', 'channels by the score of the picture under them', '1 pass forward per channel of the layer, for all classes together'),
    method('occlusion', 'changed pictures', 'what the class loses when a window of the picture is covered, for windows all over it', 'one partial forward pass per window', [
      option('window', 'N|HxW', '20', 'rows and columns that are covered at a time, in pixels'),
      option('stride', 'N|HxW', '10', 'rows and columns from one window to the next, in pixels'),
      option('score', 'probability|logit|log-probability', 'probability', 'which score of the class is explained'),
    ], 'Zeiler, Fergus 2013, arXiv 1311.2901'),
    method('rise', 'changed pictures', 'the mean of random masks, each weighed by the score under it', 'one forward pass per mask: 4,000 if not said'),
  ],
  metrics: [
    { name: 'deletion', title: 'Deletion', summary: 'how fast the class is lost when the most relevant pixels are covered first' },
    { name: 'insertion', title: 'Insertion', summary: 'how fast the class comes back when they are uncovered first' },
  ],
  colours: {
    inferno: { diverging: false, table: table([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]]) },
    viridis: { diverging: false, table: table([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]) },
    rdbu: { diverging: true, table: table([[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]]) },
    puor: { diverging: true, table: table([[45, 0, 75], [128, 115, 172], [247, 247, 247], [224, 130, 20], [127, 59, 8]]) },
  },
  limits: { bytes: 20_000_000, pixels: 100_000_000 },
};

/** Answers like `dvm serve`. `token`: the token; `busy`: the number of requests that get a busy answer; `slow`: pause between events, ms. */
export function createMock({ token = null, busy = 0, slow = 0, retryAfter = '1' } = {}) {
  const pictures = new Map();
  const counts = { explain: 0, window: 0, aborted: 0 };
  let left = busy;

  const server = createServer(async (request, answer) => {
    const url = new URL(request.url, 'http://mock');
    const path = decodeURIComponent(url.pathname);
    answer.setHeader('Content-Security-Policy', POLICY);
    answer.setHeader('X-Content-Type-Options', 'nosniff');
    const json = (status, body) => answer.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    if (!path.startsWith('/api/')) return file(path, answer);
    if (token !== null && request.headers.authorization !== `Bearer ${token}`) return json(401, { error: 'This server asks for a token.' });
    const body = await bytes(request);

    if (path === '/api/info') return json(200, INFO);
    if (path === '/api/pictures') {
      if (!/^\x89PNG|^\xff\xd8/.test(body.subarray(0, 4).toString('latin1'))) {
        return json(422, { error: `${url.searchParams.get('name')}: this is not a picture that can be read` });
      }
      const id = createHash('sha256').update(body).digest('hex').slice(0, 16);
      pictures.set(id, { body, name: url.searchParams.get('name') });
      return json(200, { id, name: url.searchParams.get('name'), width: SIDE, height: SIDE, notes: [] });
    }
    if (left > 0 && (path === '/api/explain' || path === '/api/window')) {
      left -= 1;
      answer.setHeader('Retry-After', retryAfter);
      return json(429, { error: 'The server is full.' });
    }
    const classes = /^\/api\/models\/([^/]+)\/classes$/.exec(path);
    if (classes) {
      const search = (url.searchParams.get('search') ?? '').toLowerCase();
      const all = Array.from({ length: CLASSES }, (_, index) => ({ index, name: nameOf(index) }));
      const known = all.filter(({ index, name }) => name.toLowerCase().includes(search) || String(index) === search);
      return json(200, known.sort((a, b) => Number(a.name.startsWith('class')) - Number(b.name.startsWith('class'))).slice(0, Number(url.searchParams.get('limit') ?? 20)));
    }
    const made = /^\/api\/explanations\/[^/]+\/(.+)$/.exec(path);
    if (made) return answer.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(`made up: ${made[1]}`);

    const asked = JSON.parse(body.toString() || '{}');
    const picture = pictures.get(asked.picture);
    if (!picture) return json(404, { error: 'This server has no such picture any more.' });
    if (path === '/api/window') {
      counts.window += 1;
      await pause(slow);
      return json(200, windowAnswer(asked));
    }
    if (path === '/api/explain') {
      if (asked.options?.['occlusion.window'] === 'abc') return json(400, { error: 'the option `window` does not take `abc`' });
      counts.explain += 1;
      answer.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      let gone = false;
      answer.on('close', () => {
        if (!answer.writableFinished) counts.aborted += 1;
        gone = true;
      });
      for (const event of events(asked, picture)) {
        if (gone) return undefined;
        answer.write(`${JSON.stringify(event)}\n`);
        await pause(event.event === 'windows' ? slow / 4 : slow);
      }
      return answer.end();
    }
    return json(404, { error: 'There is nothing here.' });
  });
  return { server, counts, forget: () => pictures.clear() };
}

async function file(path, answer) {
  const kinds = { '/': ['page.html', 'text/html'], '/page.js': ['page.js', 'text/javascript'], '/page.css': ['page.css', 'text/css'] };
  const [name, kind] = kinds[path] ?? [];
  if (!name) return answer.writeHead(404).end();
  return answer.writeHead(200, { 'Content-Type': `${kind}; charset=utf-8` }).end(await readFile(resolve(EMBEDDED, name)));
}

function* events(asked, picture) {
  const top = [282, 281, 285, 287, 283].map((index, i) => ({ index, name: nameOf(index), probability: [0.394, 0.231, 0.184, 0.052, 0.012][i] }));
  const explained = asked.class === undefined ? top[0] : (top.find(({ index }) => index === asked.class) ?? { index: asked.class, name: nameOf(asked.class), probability: 0.0004 });
  const view = {
    name: picture.name, title: explained.name + (asked.against === undefined ? '' : ` against ${nameOf(asked.against)}`),
    score: `${(explained.probability * 100).toFixed(1)} %`, class: explained, top, trueClass: null,
    warnings: [{ source: 'network', text: 'efficientnet_lite0 was trained on ImageNet: it knows these 1,000 classes and no other.' }],
    size: [SIDE, SIDE], input: `data:image/png;base64,${picture.body.toString('base64')}`, maps: [], record: {},
  };
  yield { event: 'prediction', explanation: `x${asked.picture}`, view };
  for (const name of asked.methods) {
    if (name === 'rise' && asked.options?.['rise.masks'] === '0') {
      yield { event: 'failed', method: name, error: 'rise: masks must be at least 1' };
      continue;
    }
    yield* makes(name, explained, asked, top);
  }
  yield { event: 'done', seconds: 1.8 };
}

function* makes(name, explained, asked, top) {
  const checks = (asked.checks ?? []).map((metric) => ({
    metric, title: INFO.metrics.find((one) => one.name === metric)?.title ?? metric, line: `${metric} 0.157 (lower is better)`,
    value: 0.157, error: null, finding: null, figures: [{ name: 'area', value: 0.157 }],
    curves: [{ name: metric, across: 'share of pixels covered', up: 'probability', points: Array.from({ length: 21 }, (_, i) => [i / 20, 0.39 * Math.exp(-i / 4)]) }],
  }));
  const base = { method: name, title: name, segments: null, cells: null, checks, own: [], parameters: asked.options ?? {}, reference: 'see the method', seconds: 0.12, smooth: null };
  const pixels = (value) => pack([SIDE, SIDE], Float32Array.from({ length: SIDE * SIDE }, (_, i) => value(Math.floor(i / SIDE) / SIDE, (i % SIDE) / SIDE, i)));
  const blob = (down, across, row, column, wide) => Math.exp(-((down - row) ** 2 + (across - column) ** 2) / (2 * wide ** 2));
  const shift = (explained.index % 7) / 40;
  const drop = (down, across) => 0.34 * blob(down, across, 0.42 + shift, 0.47, 0.13) + 0.12 * blob(down, across, 0.25, 0.66, 0.08) - 0.1 * blob(down, across, 0.8, 0.3, 0.12);
  if (name === 'occlusion') {
    const [window, stride] = [20, 10];
    const count = Math.ceil((SIDE - window) / stride) + 1;
    const at = (k) => [k * stride, Math.min(k * stride + window, SIDE)];
    const middle = (k) => (at(k)[0] + at(k)[1]) / 2 / SIDE;
    const title = `occlusion ${window}/${stride}`;
    let done = 0;
    for (let row = 0; row < count; row++) {
      for (let from = 0; from < count; from += 8) {
        const windows = Array.from({ length: Math.min(8, count - from) }, (_, k) => ({ rows: at(row), columns: at(from + k), drop: drop(middle(row), middle(from + k)) }));
        done += windows.length;
        yield { event: 'windows', method: name, windows };
        yield { event: 'progress', method: name, title, done, all: count * count };
      }
    }
    const nearest = Array.from({ length: SIDE }, (_, i) => Math.min(count - 1, Math.max(0, Math.round((i - window / 2 + 0.5) / stride))));
    const values = Float32Array.from({ length: top.length * count * count }, (_, i) => {
      const [which, row, column] = [Math.floor(i / count / count), Math.floor(i / count) % count, i % count];
      return Math.max(0, top[which].probability * (1 - 2 * drop(middle(row), middle(column))));
    });
    const map = {
      ...base, title, quantity: 'drop in probability', nature: 'signed',
      values: pixels((down, across) => drop(middle(nearest[Math.round(down * SIDE)]), middle(nearest[Math.round(across * SIDE)]))),
      smooth: pixels(drop), scale: { low: -0.34, high: 0.34, colours: 'rdbu', neutral: 'middle' },
      cells: { rows: nearest, columns: nearest, score: 'probability', classes: top.map(({ index, name: called, probability }) => ({ index, name: called, whole: probability })), values: pack([top.length, count, count], values) },
      own: [{ name: 'faithful', value: 0.91, meaning: 'correlation of drops with the sum of the map' }],
    };
    yield { event: 'map', method: name, map, warnings: [] };
    return;
  }
  for (let done = 0; done < 4; done++) yield { event: 'progress', method: name, title: name, done, all: 4 };
  if (name.endsWith('cam')) {
    const cam = (down, across) => 0.4 * blob(down, across, 0.45 + shift, 0.5, 0.2);
    const map = { ...base, quantity: 'activation times weight', nature: 'magnitude', values: pixels((down, across) => cam((Math.floor(down * 7) + 0.5) / 7, (Math.floor(across * 7) + 0.5) / 7)), smooth: pixels(cam), scale: { low: 0, high: 0.4, colours: 'inferno', neutral: 'low' } };
    yield { event: 'map', method: name, map, warnings: [] };
    return;
  }
  const noise = (i) => { const x = Math.sin(i * 12.9898 + explained.index) * 43758.5453; return x - Math.floor(x); };
  const map = { ...base, quantity: 'gradient of the logit', nature: 'magnitude', values: pixels((down, across, i) => 0.02 * noise(i) ** 3 * (0.06 + blob(down, across, 0.4, 0.5, 0.17))), scale: { low: 0, high: 0.012, colours: 'inferno', neutral: 'low' } };
  yield { event: 'map', method: name, map, warnings: [{ source: name, text: 'The network has ReLU6 in places: the rule was applied to them as well.' }] };
}

function windowAnswer({ rows, columns, classes }) {
  const whole = { 282: 0.394, 281: 0.231, 285: 0.184, 287: 0.052, 283: 0.012 };
  const middle = [(rows[0] + rows[1]) / 2 / SIDE, (columns[0] + columns[1]) / 2 / SIDE];
  const covered = Math.min(1, ((rows[1] - rows[0]) * (columns[1] - columns[0])) / 4000) * Math.exp(-((middle[0] - 0.45) ** 2 + (middle[1] - 0.5) ** 2) / 0.05);
  const after = (index) => (whole[index] ?? 0.001) * (index === 285 ? 1 + covered : 1 - 0.85 * covered);
  return {
    classes: classes.map((index) => ({ index, name: nameOf(index), before: whole[index] ?? 0.001, after: after(index) })),
    top: Object.keys(whole).map(Number).map((index) => ({ index, name: nameOf(index), probability: after(index) })).sort((a, b) => b.probability - a.probability),
    milliseconds: 8.4,
  };
}

/** Packs arrays as dvm does: codes of 16 bits, differences along rows, zlib, base64. */
export function pack(shape, values) {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const row = shape.at(-1);
  const bytes = Buffer.alloc(values.length * 2);
  let before = 0;
  values.forEach((value, i) => {
    const code = high > low ? Math.round(((value - low) / (high - low)) * 65534) : 0;
    bytes.writeUInt16LE(i % row === 0 ? code : (code - before) & 0xffff, 2 * i);
    before = code;
  });
  return { shape, bits: 16, low, high, data: deflateSync(bytes).toString('base64') };
}

/** 256 colours, interpolated linearly between a few. */
function table(anchors) {
  const bytes = Buffer.alloc(768);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (anchors.length - 1);
    const first = Math.min(Math.floor(place), anchors.length - 2);
    for (let c = 0; c < 3; c++) bytes[3 * i + c] = Math.round(anchors[first][c] + (anchors[first + 1][c] - anchors[first][c]) * (place - first));
  }
  return bytes.toString('base64');
}

async function bytes(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

function pause(milliseconds) {
  return new Promise((done) => { setTimeout(done, milliseconds); });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const given = (name, fallback) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? fallback : process.argv[at + 1];
  };
  const port = Number(given('port', '8099'));
  createMock({ token: given('token', null), slow: Number(given('slow', '0')), busy: Number(given('busy', '0')) })
    .server.listen(port, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${port}\n`));
}
