/** A class's name as titles have it: files of classes write `tiger_cat`. */
export function classTitle(name: string): string {
  return name.replaceAll('_', ' ');
}
