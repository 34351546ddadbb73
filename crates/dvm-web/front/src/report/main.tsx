import { render } from 'preact';
import '../shared/style.css';

const app = document.getElementById('app');
if (app) render(<p>…</p>, app);
