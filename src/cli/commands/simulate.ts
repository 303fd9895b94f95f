import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatDuration } from '../../core/duration.ts';
import { HoldfastError } from '../../errors.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { findSetup, ingestUrl } from '../locate.ts';
import { type Output, plain } from '../output.ts';
import type { LoadReport } from '../simulate/load.ts';
import type { Payload } from '../simulate/payloads.ts';
import { findSource } from '../simulate/find.ts';
import { makerOf } from '../simulate/plan.ts';
import { selfCommand } from '../self.ts';

/** Ids that are told apart, to count how many events the requests became. */
const IDS_MAX = 100_000;

export const simulate = defineCommand({
  name: 'simulate',
  summary: 'Sends correctly signed requests to a source and reports statuses and latencies.',
  details:
    'Each request has a dedupe key of its own, put where the source reads it. The secret is the one the gateway has: from the config, its variable, or the playground. SOURCE may also be a provider without a source in the config: its secret then comes from --secret or its usual variable.',
  positionals: [
    { name: 'SOURCE', about: 'A source of the config, or a provider: stripe, github, standard-webhooks, ….' },
    { name: 'TYPE', optional: true, about: "The event type; default the provider's usual mix." },
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
    config: gatewayOptions.config,
    json: jsonOption,
  },
  examples: [
    'holdfast simulate demo --count 50',
    'holdfast simulate stripe invoice.paid --payload invoice.json',
    'holdfast simulate orders --count 10000 --rate 500 --json',
    'holdfast simulate standard-webhooks user.created --secret whsec_… --url https://example.com/hooks',
  ],
  async run(invocation) {
    const { options, out, positionals } = invocation;
    const [name = '', type = null] = positionals;
    const setup = await findSetup(invocation, options.config);
    const url = parseUrl(options.url ?? ingestUrl(setup));
    const given = { secret: options.secret, publicUrl: options.url === undefined ? undefined : url.origin };
    const source = await findSource(invocation, setup, { name, ...given });
    const { origin, path } = target(url, source.path);
    const payload =
      options.payload === undefined
        ? null
        : await readPayload(resolve(invocation.cwd, options.payload), options['content-type']);
    const ids = new Set<string>();
    const progress = out.progress();
    let answered = 0;
    const total = options.count * (1 + options.duplicate);
    const signal = invocation.interruptible();
    const { sendLoad } = await import('../simulate/load.ts');
    const report = await sendLoad({
      origin,
      verifier: source.verifier,
      count: options.count,
      repeats: options.duplicate,
      concurrency: options.concurrency,
      ratePerS: options.rate ?? null,
      burst: options.burst,
      signal,
      make: makerOf({
        source,
        path,
        type,
        payload,
        headers: headersOf(options.header),
        run: randomBytes(6).toString('hex'),
      }),
      answered: (_index, answer) => {
        answered++;
        progress.update(() => `${answered} of ${total} answered`);
        if (answer.status < 300 && ids.size < IDS_MAX) for (const id of idsOf(answer.body)) ids.add(id);
      },
    });
    progress.end();
    refuseUnreachable(report, origin);
    if (options.json) out.json({ ...report, events: ids.size });
    else show(out, { report, ids, source: name, self: selfCommand(invocation) });
    if (signal.aborted) return exitCodes.interrupted.code;
    return succeeded(report) ? exitCodes.ok.code : exitCodes.failed.code;
  },
});

function parseUrl(text: string): URL {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return new URL(text);
  throw new UsageError(`--url: expected http://… or https://…, got '${plain(text)}'.`);
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
    const { p50, p90, p99, max } = latencyMs;
    out.line(`  answered in  p50 ${ms(p50)}  p90 ${ms(p90)}  p99 ${ms(p99)}  max ${ms(max)}`);
  }
  const [first] = ids;
  if (first === undefined) return;
  out.line(`  became ${ids.size}${ids.size >= IDS_MAX ? ' or more' : ''} events; the first: ${first}`);
  out.note(out.paintNote('dim', `See it:  ${self} show ${first}`));
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
