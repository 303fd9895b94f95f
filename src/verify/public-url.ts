/**
 * The URL a provider called, for schemes that sign it: from the configuration, or from a proxy's headers where that is
 * asked for. `Host` alone is never believed: whoever sends the request writes it.
 */
import type { HeaderList } from '../core/event.ts';
import { HoldfastError } from '../errors.ts';
import { optionalHeader } from './headers.ts';
import type { PublicUrlOptions } from './provider.ts';
import { queryOf } from './query.ts';
import { refuse } from './verdict.ts';
import type { Refusal } from './verdict.ts';
import type { UnsignedRequest } from './verifier.ts';

/** Gives the URL of a request as the provider wrote it, or why it is not known. */
export type PublicUrl = (request: UnsignedRequest) => string | Refusal;

const ORIGIN = /^https?:\/\/[^/?#\s]+\/?$/i;
const ABSOLUTE = /^https?:\/\/[^/?#\s]+/i;
const HOST = /^[\w.-]+(?::\d{1,5})?$|^\[[\da-fA-F:.]+\](?::\d{1,5})?$/;

/**
 * How the URL of a request is found.
 *
 * @param base origin, perhaps with the path a proxy takes away, to which the request's path and query are added
 * @throws HoldfastError `config_invalid` when nothing says what the URL is, or what does is no http(s) URL
 */
export function publicUrl(name: string, options: PublicUrlOptions, base: string | undefined): PublicUrl {
  if (options.trustProxy === true) return forwardedUrl;
  // What follows # is for Twilio's retries and is never sent.
  const configured = (options.publicUrl?.trim() ?? base)?.split('#')[0];
  if (configured === undefined) {
    throw new HoldfastError('config_invalid', {
      detail: `${name} signs the URL it calls: set publicUrl or HOLDFAST_PUBLIC_URL, or trustProxy behind a proxy.`,
    });
  }
  if (!ABSOLUTE.test(configured)) {
    throw new HoldfastError('config_invalid', {
      detail: `publicUrl of ${name} is no http or https URL: ${configured}`,
    });
  }
  if (options.publicUrl === undefined || ORIGIN.test(configured)) {
    const origin = configured.replace(/\/$/, '');
    return (request) => origin + pathAndQuery(request.url);
  }
  if (configured.includes('?')) return () => configured;
  return (request) => {
    const query = queryOf(request.url);
    return query === '' ? configured : `${configured}?${query}`;
  };
}

/** Path and query of a URL, as received: nothing is decoded or normalised. */
function pathAndQuery(url: string): string {
  const origin = ABSOLUTE.exec(url);
  const rest = origin === null ? url : url.slice(origin[0].length);
  const hash = rest.indexOf('#');
  const path = hash < 0 ? rest : rest.slice(0, hash);
  return path.startsWith('/') ? path : `/${path}`;
}

function forwardedUrl(request: UnsignedRequest): string | Refusal {
  const scheme = forwarded(request.headers, 'x-forwarded-proto');
  if (scheme !== 'http' && scheme !== 'https') {
    return refuse('url_not_configured', 'x-forwarded-proto is not one of http and https');
  }
  const host = forwarded(request.headers, 'x-forwarded-host') ?? forwarded(request.headers, 'host');
  if (host === null || !HOST.test(host)) return refuse('url_not_configured', 'the proxy does not tell one host');
  return `${scheme}://${host}${pathAndQuery(request.url)}`;
}

/** A header that is there once. A list fits neither scheme nor host: no entry can be told to be the trusted proxy's. */
function forwarded(headers: HeaderList, name: string): string | null {
  const value = optionalHeader(headers, name);
  return typeof value === 'string' ? value : null;
}
