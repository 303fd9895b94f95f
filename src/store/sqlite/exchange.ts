/** Exchanges as they are stored: a byte that says how they are encoded, and the rest. */
import type { Exchange } from '../../core/exchange.ts';
import { damaged } from './failure.ts';

const JSON_TEXT = 0;
const JSON_PREFIX = String.fromCharCode(JSON_TEXT);

/** As text: it goes to the writer's thread as it is, and SQLite makes the bytes of it there. */
export function encodeExchange(exchange: Exchange): string {
  return JSON_PREFIX + JSON.stringify(exchange);
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
