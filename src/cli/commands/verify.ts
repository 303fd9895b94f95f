import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { findSetup } from '../locate.ts';
import { type Output, plain } from '../output.ts';
import { readCapture } from '../verify/capture.ts';
import { type Comparison, explain, type Explanation } from '../verify/explain.ts';
import { findJudge } from '../verify/find.ts';

export const verify = defineCommand({
  name: 'verify',
  summary: 'Says why a captured request verifies or does not: the step that failed, and what was signed.',
  details:
    'Nothing is sent, and neither a secret nor the signature that would have been right is printed. The reasons are those of `holdfast rejections`. Exit code 0: it verifies; 1: it does not.',
  positionals: [
    { name: 'PROVIDER', about: 'A provider: stripe, github, …; or a source of the config, with its secret.' },
  ],
  options: {
    request: {
      type: 'text',
      short: 'r',
      value: 'FILE',
      about: 'The request: raw HTTP with headers and body, or the JSON of GET /api/rejections/rej_….',
    },
    secret: {
      type: 'text',
      many: true,
      value: 'SECRET',
      about:
        "The provider's secret, token or public key; default its usual variable. Other users of the machine can see it while it runs.",
    },
    url: {
      type: 'text',
      value: 'URL',
      about: 'For a provider that signs the URL: the one entered there; default the setting publicUrl and the path.',
    },
    at: {
      type: 'time',
      value: 'TIME',
      about: 'Judges as of this time, or this long ago; default when a rejection was received, else now.',
    },
    certificate: {
      type: 'text',
      value: 'FILE',
      about: 'For aws-sns and paypal: the certificate in PEM, instead of the one the request names.',
    },
    config: gatewayOptions.config,
    json: jsonOption,
  },
  examples: [
    'holdfast verify stripe --secret whsec_… --request captured.http',
    'holdfast verify twilio --url https://example.com/in/twilio -r captured.http --at 2026-01-31T12:00Z',
    'holdfast verify orders --request rejection.json --json',
  ],
  async run(invocation) {
    const { options, out, positionals, cwd, environment } = invocation;
    const [name = ''] = positionals;
    if (options.request === undefined) throw new UsageError('--request FILE is needed: the request to verify.');
    const { request, receivedAt, doubts } = readCapture(await read('--request', resolve(cwd, options.request)));
    const { certificate } = options;
    const pem =
      certificate === undefined ? undefined : (await read('--certificate', resolve(cwd, certificate))).toString();
    const given = { name, secrets: options.secret, url: options.url, certificate: pem, request };
    const judge = findJudge(await findSetup(invocation, options.config), environment, given);
    const explanation = await explain(judge, request, options.at ?? receivedAt ?? Date.now());
    const whole = { ...explanation, hints: [...doubts, ...explanation.hints] };
    if (options.json) out.json(whole);
    else show(out, whole);
    return whole.verified ? exitCodes.ok.code : exitCodes.failed.code;
  },
});

async function read(option: string, file: string): Promise<Buffer> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${option}: ${file} cannot be read (${error.code ?? error.message}).`);
  });
}

function show(out: Output, explanation: Explanation): void {
  const { verified, reason, detail, scheme, at, request, comparisons, notProtected, hints } = explanation;
  const verdict = verified ? out.paint('green', 'verifies') : out.paint('red', `does not verify: ${reason ?? ''}`);
  out.line(`${plain(scheme)}: ${verdict}${detail === null ? '' : ` (${plain(detail)})`}`);
  out.line(`  judged as of ${at}`);
  out.line(`  ${plain(request.method)} ${plain(request.url)}`);
  out.line(`  body  ${request.bodyBytes} bytes, SHA-256 ${request.bodySha256}`);
  if (comparisons.length === 0) out.line('  No signature was compared.');
  for (const comparison of comparisons) showComparison(out, comparison);
  if (notProtected !== null) out.line(`  Not protected: ${notProtected}`);
  for (const hint of hints) out.line(`  ${out.paint('yellow', '→')} ${plain(hint)}`);
}

function showComparison(out: Output, comparison: Comparison): void {
  const { algorithm, keys, held, expected, signatures, signed, signedBytes, signedSha256 } = comparison;
  const many = keys === 1 ? 'one key' : `${keys} keys`;
  out.line(`  ${algorithm}, ${expected}, with ${many}: ${held ? 'holds' : 'does not hold'}`);
  for (const { given, characters, form } of signatures) {
    out.line(`    given   ${plain(given)} (${characters} characters, ${form})`);
  }
  for (const { what, bytes, sha256, text } of signed) {
    const shown = what === 'body' ? 'the raw body' : text === undefined ? 'bytes' : JSON.stringify(plain(text));
    out.line(`    signed  ${shown} (${bytes} bytes, SHA-256 ${sha256.slice(0, 16)}…)`);
  }
  out.line(`    in all  ${signedBytes} bytes, SHA-256 ${signedSha256}`);
}
