import { formatDuration, parseDuration } from '../../core/duration.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { UsageError } from '../exit.ts';
import { findAddress, findSetup } from '../locate.ts';
import { plain } from '../output.ts';

const CONCURRENCY_MAX = 100;

export const listen = defineCommand({
  name: 'listen',
  summary: 'Forwards the events of a running gateway to a program on this machine, as they are accepted.',
  details:
    'Each event is sent with its method, query, headers and bytes as received; credentials are stored redacted and are left ' +
    'out. It is a copy: the gateway delivers as before and does not know what was answered. A gateway that goes away is waited ' +
    'for, and what it accepted meanwhile is sent then.',
  positionals: [{ name: 'URL', optional: true, about: 'Address of the admin API; default as for --url.' }],
  options: {
    forward: { type: 'text', short: 'f', value: 'URL', about: 'Where to: http://localhost:3000/hooks.' },
    source: { type: 'text', short: 's', value: 'NAME', about: 'Only what came from this source.' },
    type: {
      type: 'text',
      short: 't',
      value: 'TYPE',
      many: true,
      about: 'Only events of this type; * at its end: that begin so.',
    },
    last: { type: 'integer', value: 'N', default: 0, about: 'Sends the newest N events first.' },
    concurrency: {
      type: 'integer',
      value: 'N',
      min: 1,
      default: 1,
      about: 'Most requests at once; with 1 they keep their order.',
    },
    timeout: { type: 'duration', default: '60s', about: 'How long an answer is waited for.' },
    'allow-remote': { type: 'flag', about: 'Forwards also to another machine.' },
    token: {
      type: 'text',
      value: 'TOKEN',
      about: 'The token itself; others on this machine can see it, so prefer --token-file.',
    },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: [
    'holdfast listen --forward http://localhost:3000/hooks',
    'holdfast listen https://hooks.example.com --token-file read.token -f http://localhost:3000 -s stripe -t invoice.* --last 5',
  ],
  async run(invocation) {
    const { options, positionals } = invocation;
    const target = targetOf(options.forward);
    const timeoutMs = typeof options.timeout === 'number' ? options.timeout : (parseDuration(options.timeout) ?? 0);
    if (timeoutMs <= 0) throw new UsageError(`--timeout: expected more than ${formatDuration(0)}.`);
    if (options.concurrency > CONCURRENCY_MAX) throw new UsageError(`--concurrency: at most ${CONCURRENCY_MAX}.`);
    const [url] = positionals;
    if (url !== undefined && options.url !== undefined)
      throw new UsageError('Give the address once: as argument or with --url.');
    const setup = await findSetup(invocation, options.config);
    const where = { ...options, url: url ?? options.url };
    const { listen: run } = await import('../listen.ts');
    return run({
      out: invocation.out,
      json: options.json,
      locate: () => {
        const address = findAddress(setup, invocation, where);
        const given = options.token === undefined ? null : { text: options.token, from: '--token' };
        return address === null ? null : { ...address, token: given ?? address.token };
      },
      source: options.source,
      types: options.type,
      last: options.last,
      target,
      remote: options['allow-remote'],
      concurrency: options.concurrency,
      timeoutMs,
      signal: invocation.interruptible(),
    });
  },
});

function targetOf(text: string | undefined): URL {
  if (text === undefined) throw new UsageError('listen needs --forward URL: http://localhost:3000/hooks.');
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new UsageError(`--forward: expected http://… or https://…, got '${plain(text)}'.`);
  return new URL(text);
}
