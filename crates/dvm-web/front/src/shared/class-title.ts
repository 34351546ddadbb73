/** The name of a class for titles: `tiger cat` for `tiger_cat`. */
export function classTitle(name: string): string {
  return name.replaceAll('_', ' ');
}
