import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatDuration } from '../../core/duration.ts';
import { HoldfastError } from '../../errors.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { findSetup, ingestUrl, type Setup } from '../locate.ts';
import { type Output, plain } from '../output.ts';
import type { LoadReport } from '../simulate/load.ts';
import { type Found, findSource } from '../simulate/find.ts';
import { explainPair } from '../simulate/pair.ts';
import type { Payload } from '../simulate/payloads/payload.ts';
import { makerOf, togetherCount } from '../simulate/plan.ts';
import { selfCommand } from '../self.ts';

/** Ids that are told apart, to count how many events the requests became. */
const IDS_MAX = 100_000;

export const simulate = defineCommand({
  name: 'simulate',
  summary: 'Sends correctly signed requests to a source and reports statuses and latencies.',
  details:
    "Bodies and headers are as the provider sends them, drawn anew for each request, with ids and a dedupe key of its own. The secret is the one the gateway has: from the config, its variable, or the playground. SOURCE may also be a provider without a source in the config: its secret then comes from --secret or its usual variable. A provider that signs with a key pair is signed for with a pair of the command's own, whose public half it prints.",
  positionals: [
    { name: 'SOURCE', about: 'A source of the config, or a provider: stripe, github, standard-webhooks, ….' },
    {
      name: 'TYPE',
      optional: true,
      about: "The event type; default the provider's usual mix. One that is not known looks like the nearest that is.",
    },
  ],
  options: {
    count: { type: 'integer', short: 'n', min: 1, default: 1, about: 'Requests in all.' },
    rate: {
      type: 'number',
      min: 0.001,
      about: 'Requests begun per second, answered or not; default as fast as answers come.',
    },
    burst: { type: 'integer', min: 1, default: 1, about: 'With --rate: so many at once.' },
    concurrency: { type: 'integer', min: 1, default: 10, about: 'Requests in flight at most.' },
    together: {
      type: 'flag',
      about:
        'Sends what the provider sends at once about one user: of rook eleven documents. --count then counts bursts.',
    },
    duplicate: {
      type: 'integer',
      default: 0,
      about: 'Sends each request so many times more, as a provider does that missed the answer.',
    },
    payload: {
      type: 'text',
      short: 'p',
      value: 'FILE',
      about: 'Sends this file: the first request byte for byte, the others with another dedupe key.',
    },
    'content-type': { type: 'text', value: 'TYPE', about: 'Of the payload; default by its content.' },
    header: { type: 'text', many: true, value: "'NAME: VALUE'", about: 'Added to every request.' },
    secret: {
      type: 'text',
      value: 'SECRET',
      about: 'Signs with it, where SOURCE is a provider. Other users of the machine can see it while it runs.',
    },
    url: {
      type: 'text',
      value: 'URL',
      about:
        'Where to send: the address of the gateway, or a whole URL with its path; default the gateway that runs here.',
    },
    'public-url': {
      type: 'text',
      value: 'URL',
      about: 'For a provider that signs the URL: the one entered there; default the setting publicUrl, else --url.',
    },
    'key-file': {
      type: 'text',
      value: 'FILE',
      about: 'For a provider that signs with a key pair: where the pair is kept; made where the file is missing.',
    },
    config: gatewayOptions.config,
    json: jsonOption,
  },
  examples: [
    'holdfast simulate demo --count 50',
    'holdfast simulate stripe invoice.paid --payload invoice.json',
    'holdfast simulate rook --together --count 20 --rate 110',
    'holdfast simulate telnyx message.received --key-file telnyx.key.json',
    'holdfast simulate orders --count 10000 --rate 500 --json',
    'holdfast simulate standard-webhooks user.created --secret whsec_… --url https://example.com/hooks',
  ],
  async run(invocation) {
    const { options, out, positionals } = invocation;
    const [name = '', type = null] = positionals;
    const setup = await findSetup(invocation, options.config);
    const url = parseUrl('--url', options.url ?? ingestUrl(setup));
    const found = await findSource(invocation, setup, {
      name,
      secret: options.secret,
      publicUrl: publicUrlOf(setup, options, url),
      keyFile: options['key-file'] === undefined ? null : resolve(invocation.cwd, options['key-file']),
    });
    const { source } = found;
    const { origin, path } = target(url, source.path);
    const payload =
      options.payload === undefined
        ? null
        : await readPayload(resolve(invocation.cwd, options.payload), options['content-type']);
    const burst = options.together ? burstOf(found, { name, type, payload }) : options.burst;
    notePair(out, found);
    const ids = new Set<string>();
    const refusals = new Map<number, string>();
    const progress = out.progress();
    let answered = 0;
    const count = options.together ? options.count * burst : options.count;
    const total = count * (1 + options.duplicate);
    const signal = invocation.interruptible();
    const { sendLoad } = await import('../simulate/load.ts');
    const report = await sendLoad({
      origin,
      verifier: source.verifier,
      count,
      repeats: options.duplicate,
      concurrency: options.together ? Math.max(options.concurrency, burst) : options.concurrency,
      ratePerS: options.rate ?? null,
      burst,
      signal,
      make: makerOf({
        source,
        path,
        type,
        payload,
        together: options.together,
        headers: headersOf(options.header),
        run: randomBytes(6).toString('hex'),
        now: Date.now,
      }),
      answered: (_index, answer) => {
        answered++;
        progress.update(() => `${answered} of ${total} answered`);
        if (answer.status < 300 && ids.size < IDS_MAX) for (const id of idsOf(answer.body)) ids.add(id);
        if (answer.status >= 300 && !refusals.has(answer.status)) refusals.set(answer.status, saidBy(answer.body));
      },
    });
    progress.end();
    refuseUnreachable(report, origin);
    if (options.json) out.json({ ...report, events: ids.size });
    else show(out, { report, ids, source: name, self: selfCommand(invocation) });
    for (const [status, said] of refusals) if (said !== '') out.note(`${status}: ${plain(said)}`);
    if (found.trial !== null && report.statuses['401'] !== undefined) {
      out.note(`Refused with 401: does the gateway take the public half above? It is read when it starts.`);
    }
    if (signal.aborted) return exitCodes.interrupted.code;
    return succeeded(report) ? exitCodes.ok.code : exitCodes.failed.code;
  },
});

/** Where the provider would call: as said, as the setting says (undefined here), else where it is sent to. */
function publicUrlOf(
  { settings }: Setup,
  options: { readonly url: string | undefined; readonly 'public-url': string | undefined },
  url: URL,
): string | undefined {
  const given = options['public-url'];
  if (given !== undefined) {
    parseUrl('--public-url', given);
    return given;
  }
  const known = options.url === undefined && settings.publicUrl !== null;
  return known ? undefined : url.origin;
}

interface Asked {
  readonly name: string;
  readonly type: string | null;
  readonly payload: Payload | null;
}

/** How many requests a burst has. */
function burstOf({ source }: Found, { name, type, payload }: Asked): number {
  if (type !== null || payload !== null)
    throw new UsageError('--together sends several types: leave out TYPE and --payload.');
  const size = togetherCount(source);
  if (size === null) throw new UsageError(`--together: of ${plain(name)} nothing is known that it sends at once.`);
  return size;
}

function notePair(out: Output, { trial }: Found): void {
  if (trial !== null) for (const line of explainPair(trial.provider, trial.pair)) out.note(line);
}

function parseUrl(option: string, text: string): URL {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return new URL(text);
  throw new UsageError(`${option}: expected http://… or https://…, got '${plain(text)}'.`);
}

/** A URL without a path is the gateway's; one with a path is where to send. */
function target({ origin, pathname, search }: URL, path: string): { readonly origin: string; readonly path: string } {
  return { origin, path: pathname === '/' && search === '' ? path : `${pathname}${search}` };
}

function headersOf(given: readonly string[]): string[] {
  return given.flatMap((text) => {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined)
      throw new UsageError(`--header: expected 'Name: value', got '${plain(text)}'.`);
    return [name, value];
  });
}

async function readPayload(file: string, contentType: string | undefined): Promise<Payload> {
  const body = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`--payload: ${file} cannot be read (${error.code ?? error.message}).`);
  });
  return { contentType: contentType ?? contentTypeOf(body), body };
}

/** By the first characters: JSON, multipart, a form, else octets. */
function contentTypeOf(body: Buffer): string {
  const start = body.subarray(0, 4096).toString('latin1');
  if (/^\s*[[{]/.test(start)) return 'application/json';
  const boundary = /^--([^\r\n]{1,70})\r?\n/.exec(start)?.[1];
  if (boundary !== undefined) return `multipart/form-data; boundary=${boundary}`;
  return /^[\w.%+[\]-]+=[^\s]*\s*$/.test(start) ? 'application/x-www-form-urlencoded' : 'application/octet-stream';
}

/** The ids in an answer: one, or those of a split request. */
function idsOf(body: Buffer): readonly string[] {
  return body.length > 65_536 ? [] : (body.toString('latin1').match(/evt_[0-9a-z]{26}/g) ?? []);
}

/** What a refusal says, where it is one of Holdfast: what, which, and what to do. */
function saidBy(body: Buffer): string {
  try {
    const { title, detail, code, action } = JSON.parse(body.toString()) as Readonly<Record<string, unknown>>;
    if (typeof code !== 'string') return '';
    return [title, detail, `[${code}]`, action].filter((part) => typeof part === 'string').join(' ');
  } catch {
    return '';
  }
}

function refuseUnreachable(report: LoadReport, origin: string): void {
  const codes = Object.keys(report.errors);
  if (report.latencyMs !== null || codes.length === 0) return;
  throw new HoldfastError('gateway_unreachable', { detail: `${origin}: ${codes.join(', ')}` });
}

function succeeded({ statuses, errors }: LoadReport): boolean {
  return Object.keys(errors).length === 0 && Object.keys(statuses).every((status) => status.startsWith('2'));
}

interface Shown {
  readonly report: LoadReport;
  readonly ids: ReadonlySet<string>;
  readonly source: string;
  readonly self: string;
}

function show(out: Output, { report, ids, source, self }: Shown): void {
  const { sent, durationMs, perS, statuses, errors, latencyMs } = report;
  out.line(`${sent} sent to ${plain(source)} in ${formatDuration(durationMs)} (${perS.toFixed(0)} answers per second)`);
  for (const [status, count] of Object.entries(statuses)) {
    out.line(`  ${out.paint(status.startsWith('2') ? 'green' : 'red', status)}  ${count}`);
  }
  for (const [code, count] of Object.entries(errors)) out.line(`  ${out.paint('red', code)}  ${count}`);
  if (latencyMs !== null) {
    const { p50, p95, p99, max } = latencyMs;
    out.line(`  answered in  p50 ${ms(p50)}  p95 ${ms(p95)}  p99 ${ms(p99)}  max ${ms(max)}`);
  }
  const [first] = ids;
  if (first === undefined) return;
  const events = `${ids.size}${ids.size >= IDS_MAX ? ' or more' : ''} ${ids.size === 1 ? 'event' : 'events'}`;
  out.line(`  became ${events}; the first: ${first}`);
  out.note(out.paintNote('dim', `See it:  ${self} show ${first}`));
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
