import { render } from 'preact';
import '../shared/style.css';
import './report.css';
import { startTheme } from '../shared/theme.tsx';
import { App } from './App.tsx';
import { readHead } from './data.ts';

startTheme();
const root = document.getElementById('app')!;
root.replaceChildren();
try {
  const head = readHead();
  document.title = head.title;
  render(<App head={head} />, root);
} catch (error) {
  render(<p class="problem">This report cannot be read: {String(error)}</p>, root);
}
