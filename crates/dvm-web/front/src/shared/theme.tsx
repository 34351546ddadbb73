import { useState } from 'preact/hooks';

type Theme = 'system' | 'light' | 'dark';
const KEY = 'dvm-theme';

/** Sets the last chosen theme. Call it before the first render. */
export function startTheme(): void {
  apply(stored());
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(stored);
  return (
    <label class="field theme-switch">
      Theme
      <select
        value={theme}
        onChange={(event) => {
          const chosen = event.currentTarget.value as Theme;
          apply(chosen);
          setTheme(chosen);
          try {
            localStorage.setItem(KEY, chosen);
          } catch {
            // A file opened from disk may have no storage; the choice then lasts until the page is closed.
          }
        }}
      >
        <option value="system">system</option>
        <option value="light">light</option>
        <option value="dark">dark</option>
      </select>
    </label>
  );
}

function stored(): Theme {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === 'light' || theme === 'dark' ? theme : 'system';
  } catch {
    return 'system';
  }
}

function apply(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
