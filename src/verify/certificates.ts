/**
 * Certificates that a request only names: fetched from the provider's own hosts, never from elsewhere, and kept.
 * How often, how long and how many is bounded, since whoever sends a request chooses the URL within those hosts.
 */
import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import { refuse } from './verdict.ts';
import type { Refusal } from './verdict.ts';
import type { Outside } from './verifier.ts';

/** How a provider's certificates are found. */
export interface CertificateOptions {
  /**
   * Fetches the PEM text behind an https URL whose host has been checked already. Default: `node:https` without
   * redirects, 5 s at most, 64 KiB at most.
   */
  readonly fetchCertificate?: (url: string) => Promise<string>;
  /** Certificates or public keys in PEM by URL, for a machine without a way out; others are not fetched then. */
  readonly certificates?: Readonly<Record<string, string>>;
}

/** Gives the public key behind a URL: at once where it is known, else by promise. */
export interface CertificateCache {
  get(url: string, now: number): KeyObject | Refusal | Promise<KeyObject | Refusal>;
}

/** Certificates kept; the one used longest ago goes first. */
const KEPT_MAX = 32;
/** A certificate is fetched again after this, so that a withdrawn one does not stay. */
const KEPT_MS = 3_600_000;
/** Fetches that may be under way or have failed within {@link FAILED_MS}. */
const FETCHES_MAX = 8;
const FAILED_MS = 30_000;

interface Kept {
  readonly key: KeyObject;
  readonly until: number;
}

/** A cache of its own for one verifier. */
export function certificateCache(options: CertificateOptions, outside: Outside): CertificateCache {
  const { certificates } = options;
  if (certificates !== undefined) return pinned(certificates);
  const fetchCertificate = options.fetchCertificate ?? ((url) => outside.fetchText(url));
  const kept = new Map<string, Kept>();
  const pending = new Map<string, Promise<KeyObject | Refusal>>();
  const failed = new Map<string, number>();

  async function load(url: string, now: number): Promise<KeyObject | Refusal> {
    try {
      const key = createPublicKey(await fetchCertificate(url));
      kept.set(url, { key, until: now + KEPT_MS });
      const [oldest] = kept.keys();
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
      return key;
    } catch (error) {
      failed.set(url, now + FAILED_MS);
      return refuse('certificate_unavailable', `${url}: ${error instanceof Error ? error.message : 'not fetched'}`);
    } finally {
      pending.delete(url);
    }
  }

  return {
    get(url, now) {
      const known = kept.get(url);
      if (known !== undefined && now < known.until) {
        kept.delete(url);
        kept.set(url, known);
        return known.key;
      }
      const running = pending.get(url);
      if (running !== undefined) return running;
      for (const [other, until] of failed) if (until <= now) failed.delete(other);
      if (failed.has(url)) return refuse('certificate_unavailable', `${url} could not be fetched a moment ago`);
      // One that was there before has its turn whatever others ask for: whoever makes up URLs must not keep it away.
      if (known === undefined && pending.size + failed.size >= FETCHES_MAX) {
        return refuse('certificate_unavailable', 'too many certificates are being fetched');
      }
      const loading = load(url, now);
      pending.set(url, loading);
      return loading;
    },
  };
}

/** Certificates given by the user; nothing is fetched. */
function pinned(certificates: Readonly<Record<string, string>>): CertificateCache {
  const keys = new Map(Object.entries(certificates).map(([url, pem]) => [url, readPinned(url, pem)]));
  return { get: (url) => keys.get(url) ?? refuse('certificate_refused', `${url} is not among the given certificates`) };
}

function readPinned(url: string, pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new HoldfastError('config_invalid', { detail: `certificates: no PEM certificate or key for ${url}`, cause });
  }
}

/**
 * Whether a URL is one a provider publishes on: https, its default port, no user, and the given host and path.
 */
export function isPublishedAt(text: string, host: RegExp, path: RegExp): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const plain = url.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '';
  return plain && host.test(url.hostname) && path.test(url.pathname);
}
