import { defineConfig } from 'vitest/config';
import { settings } from './build/settings.ts';

export default defineConfig({
  ...settings,
  test: { include: ['tests/**/*.test.ts', 'tests/**/*.test.tsx'] },
});
