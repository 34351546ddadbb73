import type { Server } from 'node:http';
import type { Packed } from '../../src/shared/types.ts';

export const POLICY: string;
export function createMock(options?: { token?: string | null; busy?: number; slow?: number; retryAfter?: string }): {
  server: Server;
  counts: { explain: number; window: number; aborted: number };
  forget: () => void;
};
export function pack(shape: number[], values: Float32Array): Packed;
