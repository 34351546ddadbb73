import { everything, type Selection, type Sort } from './selection.ts';

/** The state in the address after `#`: `#picture-12?class=tabby&sort=name`. */
export interface Place {
  /** Id of the open entry. */
  open: number | null;
  selection: Selection;
}

export function readPlace(hash: string): Place {
  const [target = '', query = ''] = hash.replace(/^#/, '').split('?');
  const open = /^picture-(\d{1,9})$/.exec(target)?.[1];
  const values = new URLSearchParams(query);
  const right = values.get('right') ?? '';
  const sort = values.get('sort') ?? '';
  return {
    open: open === undefined ? null : Number(open),
    selection: {
      text: values.get('text') ?? '',
      class: values.get('class') ?? '',
      trueClass: values.get('true') ?? '',
      right: isRight(right) ? right : everything.right,
      warned: values.has('warned'),
      sort: isSort(sort) ? sort : everything.sort,
      descending: values.has('descending'),
    },
  };
}

export function writePlace({ open, selection }: Place): string {
  const values = new URLSearchParams();
  if (selection.text) values.set('text', selection.text);
  if (selection.class) values.set('class', selection.class);
  if (selection.trueClass) values.set('true', selection.trueClass);
  if (selection.right) values.set('right', selection.right);
  if (selection.warned) values.set('warned', '');
  if (selection.sort !== everything.sort) values.set('sort', selection.sort);
  if (selection.descending) values.set('descending', '');
  const query = values.size > 0 ? `?${values}` : '';
  return `#${open === null ? 'pictures' : `picture-${open}`}${query}`;
}

function isRight(text: string): text is Selection['right'] {
  return ['right', 'wrong', 'unknown'].includes(text);
}

function isSort(text: string): text is Sort {
  return ['order', 'confidence', 'class', 'name'].includes(text);
}
