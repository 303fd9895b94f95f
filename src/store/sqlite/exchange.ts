/** Exchanges as they are stored: a byte that says how they are encoded, and the rest. */
import type { Exchange } from '../../core/exchange.ts';
import { damaged } from './failure.ts';

const JSON_TEXT = 0;
const encoder = new TextEncoder();

export function encodeExchange(exchange: Exchange): Uint8Array {
  const text = JSON.stringify(exchange);
  const out = new Uint8Array(1 + text.length * 3);
  out[0] = JSON_TEXT;
  return out.subarray(0, 1 + encoder.encodeInto(text, out.subarray(1)).written);
}

/** @throws HoldfastError store_corrupt */
export function decodeExchange(data: unknown): Exchange | null {
  if (data === null || data === undefined) return null;
  if (!(data instanceof Uint8Array) || data[0] !== JSON_TEXT) throw damaged('an exchange');
  try {
    return JSON.parse(Buffer.from(data.subarray(1)).toString('utf8')) as Exchange;
  } catch {
    throw damaged('an exchange');
  }
}
