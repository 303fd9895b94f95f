/**
 * What a verification costs: microseconds for each scheme, beside a bare HMAC of node:crypto over the very bytes the
 * scheme signs, and beside the provider's own library where there is one. One thread; requests as `holdfast simulate`
 * sends them, with the headers a proxy adds. Names of providers as arguments measure only those.
 */
import { createHmac } from 'node:crypto';
import { simulation } from '../src/testing/simulation.ts';
import { type Proof, providers, signRequest } from '../src/verify/index.ts';
import { libraries, ORIGIN, type Received, received } from '../test/sdk-libraries.ts';
import { machine } from './machine.ts';

const ROUNDS = 400;
const CALLS = 60;
/**
 * Other programs only ever add time: what a call costs is found among its quicker rounds. CPU clocks are no help here:
 * on many virtual machines they count in ticks that are longer than a round.
 */
const QUANTILE = 0.1;
const now = Date.now();

/** Headers that a provider's request has besides its own. */
const usual = [
  'Host',
  'hooks.example.com',
  'Accept',
  '*/*',
  'Accept-Encoding',
  'gzip',
  'Content-Length',
  '1024',
  'X-Forwarded-For',
  '192.0.2.1',
  'X-Forwarded-Proto',
  'https',
  'X-Request-Id',
  '2b24ef10-19d3-4740-93cf-5f98ec4776c0',
];

/** One thing that is measured, and the microseconds of each of its rounds. */
class Case {
  readonly figures: number[] = [];
  readonly run: () => unknown;
  /** Before each round, outside of its time. */
  readonly prepare: () => Promise<void>;

  constructor(run: () => unknown, prepare: () => Promise<void> = () => Promise.resolve()) {
    this.run = run;
    this.prepare = prepare;
  }

  async round(counts: boolean): Promise<void> {
    await this.prepare();
    const started = performance.now();
    for (let call = 0; call < CALLS; call++) {
      const result = this.run();
      if (result instanceof Promise) await result;
    }
    if (counts) this.figures.push(((performance.now() - started) * 1000) / CALLS);
  }

  get us(): number {
    return (
      this.figures.toSorted((left, right) => left - right)[Math.floor(this.figures.length * QUANTILE)] ?? Number.NaN
    );
  }
}

interface Row {
  readonly name: string;
  readonly scheme: string;
  readonly bodyBytes: number;
  readonly signedBytes: number;
  readonly own: Case;
  /** The same HMAC of the same bytes, and nothing else; `null` where the scheme is no HMAC. */
  readonly bare: Case | null;
  readonly library: { readonly name: string; readonly measured: Case } | null;
}

async function rowOf(key: string): Promise<Row> {
  const { verifier, settings, make } = simulation(key, { publicUrl: ORIGIN, run: 'bench', now: () => now });
  const made = make(0);
  const unsigned = { ...made, headers: [...usual, ...made.headers] };
  const signed = await signRequest(verifier, unsigned, now);
  let proof: Proof | undefined;
  const verdict = await verifier.verify(signed, now, (given) => (proof = given));
  if (!verdict.ok) throw new Error(`${key}: ${verdict.reason}`);
  const parts = proof?.parts ?? [];
  return {
    name: key,
    scheme: proof?.algorithm ?? 'token',
    bodyBytes: signed.body.length,
    signedBytes: parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0),
    own: new Case(() => verifier.verify(signed, now)),
    bare: bareOf(proof),
    library: libraryOf(key, async () => received(await signRequest(verifier, unsigned, Date.now()), settings)),
  };
}

function bareOf(proof: Proof | undefined): Case | null {
  const algorithm = /^HMAC-(\w+)$/.exec(proof?.algorithm ?? '')?.[1]?.toLowerCase();
  if (proof === undefined || algorithm === undefined) return null;
  const encoding = proof.form.endsWith('hex') ? 'hex' : 'base64';
  const bytes = Buffer.concat(proof.parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const key = 'a secret of thirty-two characters';
  return new Case(() => createHmac(algorithm, key).update(bytes).digest(encoding));
}

/** Signed anew for each round: Paddle's library takes a request for five seconds only. */
function libraryOf(key: string, sign: () => Promise<Received>): Row['library'] {
  const library = libraries.find(({ provider }) => provider === key);
  if (library === undefined) return null;
  let given: Received;
  const prepare = async (): Promise<void> => {
    given = await sign();
  };
  return { name: library.library, measured: new Case(() => library.takes(given), prepare) };
}

/** Rounds of all cases take turns, so that a slow moment of the machine is shared. */
async function measure(rows: readonly Row[]): Promise<void> {
  const warmUp = ROUNDS / 10;
  for (let round = -warmUp; round < ROUNDS; round++) {
    for (const { own, bare, library } of rows) {
      await own.round(round >= 0);
      await bare?.round(round >= 0);
      // Some libraries take milliseconds: a tenth of the rounds is plenty.
      if (round % 10 === 0) await library?.measured.round(round >= 0);
    }
  }
}

function line({ name, scheme, bodyBytes, signedBytes, own, bare, library }: Row): string {
  const ratio = bare === null ? '' : (own.us / bare.us).toFixed(2);
  const other =
    library === null
      ? ['', '']
      : [`${library.name} ${library.measured.us.toFixed(1)}`, (library.measured.us / own.us).toFixed(1)];
  const cells = [name, scheme, bodyBytes, signedBytes, own.us.toFixed(2), bare?.us.toFixed(2) ?? '', ratio, ...other];
  return `| ${cells.join(' | ')} |`;
}

const wanted = process.argv.slice(2);
const rows: Row[] = [];
for (const { key } of providers) if (wanted.length === 0 || wanted.includes(key)) rows.push(await rowOf(key));
await measure(rows);
console.log(`Verification, one thread. ${machine()}\n`);
console.log(
  '| provider | scheme | body, bytes | signed, bytes | µs a request | bare HMAC, µs | × bare | its library, µs | × ours |',
);
console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
for (const row of rows) console.log(line(row));
