/**
 * The query of a request's URL, which is a path with query as received, or an absolute URL.
 */

/** The query without `?` and without fragment; '' where there is none. */
export function queryOf(url: string): string {
  const hash = url.indexOf('#');
  const end = hash < 0 ? url.length : hash;
  const mark = url.indexOf('?');
  return mark < 0 || mark > end ? '' : url.slice(mark + 1, end);
}

/** The parameters of a URL, decoded. */
export function parametersOf(url: string): URLSearchParams {
  return new URLSearchParams(queryOf(url));
}

/** The URL with one more parameter. */
export function withParameter(url: string, name: string, value: string): string {
  const mark = queryOf(url) === '' && !url.endsWith('?') ? '?' : '&';
  return `${url}${mark}${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
}
