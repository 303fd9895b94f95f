/**
 * The two outcomes of a verification, and the bytes that were signed.
 */
import { Buffer } from 'node:buffer';
import type { RejectReason, Verdict } from './verifier.ts';

/** A verdict that refuses. */
export type Refusal = Extract<Verdict, { ok: false }>;

/** The verdict of a request that verified: one object, so that the hot path allocates nothing for it. */
export const HELD: Verdict = Object.freeze({ ok: true });

/** Refuses with a reason; `detail` names a header, a step or a bound and never holds a secret. */
export function refuse(reason: RejectReason, detail: string): Refusal {
  return { ok: false, reason, detail };
}

/** A piece of what was signed: text is taken as UTF-8, bytes as they are. Pieces are hashed one after the other, uncopied. */
export type Part = string | Uint8Array;

/** The parts as one run of bytes, for algorithms that take no pieces. A single run of bytes is not copied. */
export function joinParts(parts: readonly Part[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only instanceof Uint8Array) return only;
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)));
}
