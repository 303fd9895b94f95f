/** A source made ready for requests: readers compiled, answers built, its rate counted. */
import type { Clock } from '../core/clock.ts';
import { type HeaderList, REDACTED, redactHeaders } from '../core/event.ts';
import { TokenBucket } from '../core/limiter.ts';
import { compileReader, parsePath, type Read } from './read.ts';
import { answerReply, type Reply } from './reply.ts';
import { Finder, type JsonPath } from './scan.ts';
import type { Source } from './source.ts';

export class Intake {
  readonly source: Source;
  readonly type: Read | null;
  readonly dedupeKey: Read | null;
  readonly orderKey: Read | null;
  readonly tenant: Read | null;
  /** Finds the values that the readers name. */
  readonly finder: Finder;
  /** Finds the array to split; `null`: one event per request. */
  readonly split: Finder | null;
  /** The source's own answer to what it accepted; `null`: the event's id. */
  readonly answer: Reply | null;
  /** The answer its provider demands for what does not verify; `null`: a problem. */
  readonly rejectAnswer: Reply | null;
  /** For the `Allow` header. */
  readonly allow: string;
  readonly bucket: TokenBucket | null;
  readonly #credentialLengths: ReadonlySet<number>;
  readonly #credentialParameters: readonly string[];

  /** @throws HoldfastError config_invalid */
  constructor(source: Source, clock: Clock) {
    const where = `sources.${source.name}`;
    const paths: JsonPath[] = [];
    const compile = (reader: Source['type'], setting: string): Read | null =>
      reader === null ? null : compileReader(reader, { setting: `${where}.${setting}`, paths });
    this.source = source;
    this.type = compile(source.type, 'type');
    this.dedupeKey = compile(source.dedupeKey, 'dedupeKey');
    this.orderKey = compile(source.orderKey, 'orderKey');
    this.tenant = compile(source.tenant, 'tenant');
    this.finder = new Finder(paths);
    this.split = source.split === null ? null : new Finder([splitPath(source.split, `${where}.split`)]);
    this.answer = source.answer === null ? null : answerReply(source.answer);
    const { rejectAnswer } = source.verifier.defaults;
    this.rejectAnswer = rejectAnswer === undefined ? null : answerReply(rejectAnswer);
    this.allow = [...new Set(source.methods)].join(', ');
    this.bucket = source.ratePerS === null ? null : new TokenBucket(source.ratePerS, source.ratePerS, clock);
    this.#credentialLengths = new Set([...source.credentialHeaders].map((name) => name.length));
    this.#credentialParameters = source.verifier.credentialParameters ?? [];
  }

  /** Whether a request that was stored redacted lacks what would prove its sender. */
  get provesByCredential(): boolean {
    const { credentialHeaders, credentialInPath } = this.source.verifier;
    return credentialHeaders.length > 0 || this.#credentialParameters.length > 0 || credentialInPath === true;
  }

  /** The headers as they are stored: the same list where no header is a credential. */
  redactHeaders(headers: HeaderList): HeaderList {
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] ?? '';
      if (this.#credentialLengths.has(name.length) && this.source.credentialHeaders.has(name.toLowerCase())) {
        return redactHeaders(headers, this.source.credentialHeaders);
      }
    }
    return headers;
  }

  /** The path as it is stored: without the segment behind the source's own, where that is a credential. */
  redactPath(path: string): string {
    const { path: own, verifier } = this.source;
    if (verifier.credentialInPath !== true || path.endsWith(own)) return path;
    return `${path.slice(0, path.lastIndexOf('/') + 1)}${REDACTED}`;
  }

  /** The query as it is stored: every byte as received, but for the values of credentials. */
  redactQuery(query: string): string {
    if (this.#credentialParameters.length === 0 || query === '') return query;
    return query
      .split('&')
      .map((pair) => {
        const [name = ''] = pair.split('=', 1);
        const decoded = [...new URLSearchParams(name).keys()][0] ?? '';
        return this.#credentialParameters.includes(decoded) ? `${name}=${REDACTED}` : pair;
      })
      .join('&');
  }
}

function splitPath(split: string, setting: string): JsonPath {
  if (split === '') return [];
  return parsePath(split.startsWith('[') ? split : `.${split}`, setting);
}
