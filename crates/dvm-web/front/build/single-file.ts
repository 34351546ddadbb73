import { createHash } from 'node:crypto';
import type { Plugin } from 'vite';
import { licence } from './licence.ts';

/** Where Rust puts the elements with the data. */
const MARK = '<!--data-->';

/**
 * Puts the script and the style into the HTML, and a Content-Security-Policy that allows these two
 * by their hashes and nothing else: the file can load nothing and send nothing.
 *
 * The script comes after the data, so that all data is there when it runs.
 */
export function singleFile(): Plugin {
  return {
    name: 'single-file',
    enforce: 'post',
    generateBundle(_, bundle) {
      let script = '';
      let style = '';
      for (const [name, part] of Object.entries(bundle)) {
        if (part.type === 'chunk') script += part.code;
        else if (name.endsWith('.css')) style += String(part.source);
        else continue;
        delete bundle[name];
      }
      // An end tag or a comment within a script would end it, or hide its end.
      script = script.trim().replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
      style = style.trim();
      if (!script || !style || style.includes('</style')) {
        this.error('a report needs one script and one style');
      }
      const policy = [
        "default-src 'none'",
        'img-src data: blob:',
        `script-src '${sha256(script)}'`,
        `style-src '${sha256(style)}'`,
        "base-uri 'none'",
        "form-action 'none'",
      ].join('; ');

      for (const part of Object.values(bundle)) {
        if (part.type !== 'asset' || !part.fileName.endsWith('.html')) continue;
        // What Vite refers to is in the file itself.
        const html = String(part.source)
          .replaceAll(/\s*<script type="module"[^>]*><\/script>/g, '')
          .replaceAll(/\s*<link rel="(?:stylesheet|modulepreload)"[^>]*>/g, '');
        if (html.split(MARK).length !== 2) this.error(`${part.fileName} has not exactly one ${MARK}`);
        part.fileName = 'report.html';
        // Functions: `$` in the script is no pattern.
        part.source = html
          .replace(
            '<meta charset="utf-8">',
            (meta) =>
              `${meta}\n<meta http-equiv="Content-Security-Policy" content="${policy}">`,
          )
          .replace('</head>', () => `${licence()}\n<style>${style}</style>\n</head>`)
          .replace(MARK, () => `${MARK}\n<script>${script}</script>`);
        if (!part.source.includes(policy)) this.error('the policy found no place');
      }
    },
  };
}

function sha256(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
