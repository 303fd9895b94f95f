/** What `simulate` sends: bytes and headers, before they are signed. */
import type { Draw } from './draw.ts';

export interface Payload {
  readonly contentType: string;
  readonly headers?: readonly string[];
  /** Text that is laid out where the source reads its values, or bytes that are sent as they are. */
  readonly body: string | Uint8Array;
}

/** Makes a payload of the drawn type. */
export type Make = (draw: Draw) => Payload;

/** What a provider sends: by type, a payload that is always the same, or what makes one. */
export interface ProviderPayloads {
  /** The first is also what stands for types that are not named and look like none of them. */
  readonly types: Readonly<Record<string, Payload | Make>>;
  /** The order in which `simulate` without a type sends them. Default: as they are named. */
  readonly mix?: readonly string[];
  /** What is sent at once about one user. Default: nothing is known of that kind. */
  readonly together?: readonly string[];
}

/** Headers as a list: name, value, name, value… */
export function headersOf(fields: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(fields).flat();
}

/** A JSON body. */
export function json(value: unknown, headers: readonly string[] = []): Payload {
  return { contentType: 'application/json', headers, body: JSON.stringify(value) };
}

/** A form as browsers write it. */
export function form(fields: Readonly<Record<string, string>>, headers: readonly string[] = []): Payload {
  return {
    contentType: 'application/x-www-form-urlencoded; charset=UTF-8',
    headers,
    body: new URLSearchParams(fields).toString(),
  };
}

/** The same maker for several types. */
export function each(types: readonly string[], make: Make): Readonly<Record<string, Make>> {
  return Object.fromEntries(types.map((type) => [type, make]));
}
