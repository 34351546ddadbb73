// npm run made -- PICTURES FILE: writes a report of made-up pictures, to look at.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { elements, madeReport } from './report.ts';

const [pictures = '12', file = 'made.html'] = process.argv.slice(2);
const template = readFileSync(resolve(import.meta.dirname, '../../../embedded/report.html'), 'utf8');
const data = elements(madeReport({ pictures: Number(pictures) }));
writeFileSync(file, template.replace('<!--data-->', () => data));
