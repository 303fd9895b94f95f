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

/** The last segment of the path, decoded; '' where the path ends in a slash, `null` where it is not well escaped. */
export function lastSegmentOf(url: string): string | null {
  const path = url.slice(0, pathEnd(url));
  const segment = path.slice(path.lastIndexOf('/') + 1);
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** The URL with one more segment of its path. */
export function withSegment(url: string, segment: string): string {
  const end = pathEnd(url);
  const path = url.slice(0, end);
  return `${path}${path.endsWith('/') ? '' : '/'}${encodeURIComponent(segment)}${url.slice(end)}`;
}

function pathEnd(url: string): number {
  const end = url.search(/[?#]/);
  return end < 0 ? url.length : end;
}

/** The first value of a parameter, decoded; `null` where the URL has none. A query without escapes is only searched. */
export function parameterOf(url: string, name: string): string | null {
  const query = queryOf(url);
  if (query.includes('%') || query.includes('+')) return new URLSearchParams(query).get(name);
  for (const piece of query === '' ? [] : query.split('&')) {
    if (piece === name) return '';
    if (piece.startsWith(name) && piece[name.length] === '=') return piece.slice(name.length + 1);
  }
  return null;
}

/** Names and values of a form (`application/x-www-form-urlencoded`), as URLSearchParams reads them, for less. */
export function formPairs(form: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (const piece of form.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    if (equals < 0) pairs.push([decode(piece), '']);
    else pairs.push([decode(piece.slice(0, equals)), decode(piece.slice(equals + 1))]);
  }
  return pairs;
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    // A percent sign that begins no byte, or bytes that are no UTF-8: rare, and read leniently.
    return new URLSearchParams(`x=${text}`).get('x') ?? '';
  }
}

/** What `node:querystring` reads of a query at most. */
const LEGACY_PAIRS_MAX = 1000;

/**
 * A query escaped as `node:querystring` does it: values of one name together, names that are numbers first, everything
 * but letters, digits and `!'()*-._~` escaped. Signers that are older than URLSearchParams signed this.
 */
export function legacyQuery(query: string): string {
  const values = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of formPairs(query).slice(0, LEGACY_PAIRS_MAX)) (values[name] ??= []).push(value);
  const pairs = Object.entries(values).flatMap(([name, list]) =>
    list.map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
  return pairs.join('&');
}
