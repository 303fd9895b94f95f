/** Values made comparable: bytes are bytes, whatever class a driver gives them in. */

/** The same value, with every byte array in it as a plain array of numbers. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}
