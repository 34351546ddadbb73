import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll } from 'vitest';

/** The tested program. */
export const program = process.env.DVM!;

/** Pictures of the repository: a cat, and a cup of coffee. */
export const samples = resolve(import.meta.dirname, '../../../../../assets/samples');
export const cat = join(samples, 'chelsea.png');
export const coffee = join(samples, 'coffee.png');

/** Clean-up after a file of tests. */
const ends: (() => void | Promise<void>)[] = [];
afterAll(async () => {
  for (const end of ends) await end();
});

/** A folder that is deleted after the file of tests. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'dvm-browser-'));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Copies a file; creates the folder if necessary. */
export function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

interface Ended {
  stdout: string;
  stderr: string;
}

/** Runs the program. Fails with its output if it ends with another status. */
export function dvm(words: readonly string[], { cwd, status = 0 }: { cwd: string; status?: number }): Promise<Ended> {
  return ended(program, words, cwd, process.env, status);
}

/** Runs a line in a shell that finds the program by its name. */
export function shell(line: string, cwd: string): Promise<Ended> {
  const path = join(cwd, '.bin');
  mkdirSync(path);
  symlinkSync(program, join(path, 'dvm'));
  return ended('/bin/sh', ['-c', line], cwd, { ...process.env, PATH: `${path}:${process.env.PATH}` }, 0);
}

function ended(file: string, words: readonly string[], cwd: string, env: NodeJS.ProcessEnv, status: number): Promise<Ended> {
  return new Promise((done, failed) => {
    execFile(file, [...words], { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (code === status) done({ stdout, stderr });
      else failed(new Error(`\`dvm ${words.join(' ')}\` ended with ${code}, not ${status}:\n${stderr}`));
    });
  });
}

export interface Serving {
  /** Such as `http://127.0.0.1:40001/`. */
  address: string;
  port: string;
  /** Kills the server. */
  kill: () => Promise<void>;
}

/** Starts `dvm serve` on a free port, or on the port in `words`. It is stopped after the file of tests. */
export async function serve(...words: string[]): Promise<Serving> {
  const all = words.includes('--port') ? words : ['--port', '0', ...words];
  const child = spawn(program, ['serve', '--json', '--log', 'none', ...all], { stdio: ['ignore', 'pipe', 'pipe'] });
  const gone = new Promise<void>((done) => { child.once('exit', () => done()); });
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  ends.push(kill);
  // For interrupted tests, which do not reach the lines above.
  process.once('exit', () => child.kill('SIGKILL'));
  let told = '';
  let complained = '';
  child.stderr.on('data', (part: Buffer) => { complained += part.toString(); });
  const address = await new Promise<string>((done, failed) => {
    child.stdout.on('data', (part: Buffer) => {
      told += part.toString();
      const found = /"address": *"([^"]+)"/.exec(told)?.[1];
      if (found) done(found);
    });
    void gone.then(() => failed(new Error(`dvm serve ended at once: ${complained}`)));
  });
  return { address: `${address}/`, port: new URL(address).port, kill };
}

/** The value of one line of the server's metrics. */
export async function metric({ address }: Serving, line: string): Promise<number> {
  const text = await (await fetch(`${address}metrics`)).text();
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return found === undefined ? 0 : Number(found.slice(line.length));
}
