import '../shared/style.css';
import './page.css';
import { render } from 'preact';
import { startTheme } from '../shared/theme.tsx';
import { App } from './App.tsx';

startTheme();
const place = document.getElementById('page');
if (place) render(<App />, place);
