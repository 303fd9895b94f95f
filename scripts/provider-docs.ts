/** The pages of docs/providers, from the table in src/verify: one page a provider, one template, and their index. */
import { payloads } from '../src/cli/simulate/payloads/index.ts';
import { signsWithPair } from '../src/verify/trial.ts';
import { providers } from '../src/verify/index.ts';
import type { Provider, Reader } from '../src/verify/index.ts';

const folder = 'docs/providers';
const note = '<!-- Printed from src/verify by `npm run docs`; do not edit. -->';

const code = (text: string): string => `\`${text}\``;

/** The pages by their path, index included. */
export function providerPages(): ReadonlyMap<string, string> {
  const pages = providers.map((provider): [string, string] => [`${folder}/${provider.key}.md`, page(provider)]);
  return new Map([...pages, [`${folder}/README.md`, index()]]);
}

function page(provider: Provider): string {
  const { title, page: words, notProtected } = provider;
  const sections = [
    note,
    `# ${title}`,
    ['```ts', ...example(provider), '```'].join('\n'),
    table(['', ''], rows(provider)),
    `## Set-up\n\n${words.setUp}`,
    tryIt(provider),
    `## What is verified\n\n${words.verified}`,
    `## What the signature does not protect\n\n${notProtected}`,
    `## Retries\n\n${words.retries}`,
    words.differs === undefined ? '' : `## Where Holdfast decides otherwise\n\n${words.differs}`,
    words.note === undefined ? '' : `## Also\n\n${words.note}`,
    `Source of the rules: <${words.source}>.`,
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** What a source of the provider is called in the example. */
const nameOf = (key: string): string => key.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

function example({ key, factory, signsUrl }: Provider): string[] {
  const name = nameOf(key);
  const options: Readonly<Record<string, string>> = {
    hmac: "{ header: 'x-signature', secrets: secret('ORDERS_SECRET') }",
    timestampedHmac: "{ header: 'x-signature', secrets: secret('ORDERS_SECRET') }",
    standardWebhooks: "{ secrets: secret('STANDARD_WEBHOOKS_SECRET') }",
    cloudevents: "{ allowedOrigins: ['sender.example.com'] }",
  };
  const given = options[factory] ?? (signsUrl === true ? `{ publicUrl: 'https://hooks.example.com/in/${name}' }` : '');
  const core = given.includes('secret(') ? 'defineConfig, secret' : 'defineConfig';
  return [
    `import { ${core} } from 'holdfast';`,
    `import { ${factory} } from 'holdfast/verify';`,
    '',
    `export default defineConfig({ sources: { ${name}: ${factory}(${given}) } });`,
  ];
}

/** How a request of it is sent, and one that was captured explained. */
function tryIt({ key }: Provider): string {
  const { types = {}, together } = payloads[key] ?? {};
  const names = Object.keys(types);
  const [first = ''] = names;
  const name = nameOf(key);
  const pair = signsWithPair(key);
  const commands = [
    `holdfast simulate ${name} ${/^[\w./:-]+$/.test(first) ? first : `'${first}'`}${pair ? ` --key-file ${key}.key.json` : ''}`,
    ...(together === undefined ? [] : [`holdfast simulate ${name} --together`]),
    `holdfast verify ${name} --request captured.http`,
  ];
  const sentences = [
    `\`simulate\` sends ${names.length === 1 ? 'the type' : 'the types'} ${names.map(code).join(', ')}, with headers and bodies as the provider sends them, and others in the shape of the nearest.`,
    together === undefined
      ? ''
      : `With \`--together\` it sends the ${together.length} that come at once about one user.`,
    pair
      ? 'Nobody else has the provider’s private key: it signs with a pair of its own, kept in the file, and says where the public half goes. That is for test gateways only.'
      : '',
    '`verify` says of a captured request why it verifies or does not.',
  ];
  const text = sentences.filter((sentence) => sentence !== '').join(' ');
  return ['## Try it', ['```sh', ...commands, '```'].join('\n'), text].join('\n\n');
}

function rows(provider: Provider): string[][] {
  const { defaults, page: words, signsUrl, toleranceMs, credentialHeaders = [], credentialParameters = [] } = provider;
  const { answer, dedupeKey, dedupeWindowMs, deadlineMs, split, methods, tenant } = defaults;
  const list: (readonly [string, string])[] = [
    ['variable', variables(provider)],
    ['public URL', signsUrl === true ? '`publicUrl`, else `HOLDFAST_PUBLIC_URL` and the path; it is signed' : ''],
    ['window', toleranceMs === undefined ? 'none: the time is not signed' : `${span(toleranceMs)} both ways`],
    ['handshake', words.handshake ?? 'none'],
    ['methods', methods === undefined ? '' : `POST and ${methods.join(', ')}`],
    ['events', split === undefined ? 'one a request' : `one for each element of ${code(split)}`],
    ['type', reader(defaults.type, words.keys?.type)],
    ['dedupe key', key(reader(dedupeKey, words.keys?.dedupeKey), dedupeKey === undefined ? undefined : dedupeWindowMs)],
    ['order key', reader(defaults.orderKey, words.keys?.orderKey)],
    ['tenant', tenant === undefined ? '' : reader(tenant, words.keys?.tenant)],
    ['answer', answer === undefined ? '200 `{"id":"evt_…"}`' : answerText(answer)],
    ['waits', deadlineMs === undefined ? 'not known' : `${span(deadlineMs)}; \`sync\` gives up after 80 % of it`],
    ['credentials', [...credentialHeaders, ...credentialParameters.map((name) => `?${name}`)].map(code).join(', ')],
  ];
  return list.filter(([, value]) => value !== '').map(([name, value]) => [name, value]);
}

function variables({ variables: names, optional = [] }: Provider): string {
  const entries = Object.entries(names).map(([setting, variable]) => {
    const free = (optional as readonly string[]).includes(setting) ? ', can be missing' : '';
    return `${code(variable)} (${code(setting)}${free})`;
  });
  return `${entries.join(', ')}; several with commas while rotating`;
}

function reader(given: Reader | undefined, words: string | undefined): string {
  if (given === undefined) return 'none';
  if (typeof given === 'string') return given.startsWith('=') ? `always ${code(given.slice(1))}` : code(given);
  return words ?? 'made by a function';
}

function key(text: string, windowMs: number | undefined): string {
  return windowMs === undefined ? text : `${text}; remembered for ${span(windowMs)}`;
}

function answerText({ status, body }: NonNullable<Provider['defaults']['answer']>): string {
  if (typeof body !== 'string' || body === '') return `${status} without a body`;
  return `${status} ${code(body)}`;
}

function span(ms: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1000, 'second'],
  ];
  const [size = 1, name = 'millisecond'] = units.find(([unit]) => ms % unit === 0) ?? [];
  const count = ms / size;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...lines.map(line)].join('\n');
}

function index(): string {
  const all = providers.map((provider) => [
    `[${provider.title}](${provider.key}.md)`,
    code(`${provider.factory}()`),
    Object.values(provider.variables).map(code).join(', '),
    provider.page.handshake === undefined ? '' : 'yes',
    provider.signsUrl === true ? 'needed' : '',
  ]);
  const differing = providers.flatMap(({ key: name, title, page: { differs } }) =>
    differs === undefined ? [] : [[`[${title}](${name}.md)`, differs]],
  );
  return `${[
    note,
    '# Providers',
    `Name the provider and set its variable; type, keys, answer, handshake and windows are the provider’s. Each is a function of
\`holdfast/verify\` that also works without a gateway:`,
    [
      '```ts',
      "import { readRequest, stripe } from 'holdfast/verify';",
      '',
      "const verifier = stripe({ secrets: 'whsec_…' });",
      'const verdict = await verifier.verify(await readRequest(request), Date.now());',
      'if (!verdict.ok) return new Response(null, { status: 401 });',
      '```',
    ].join('\n'),
    table(['provider', 'function', 'variable', 'handshake', 'public URL'], all),
    '## Where Holdfast decides otherwise',
    `Timestamps must lie within the window in both directions: a request from the future could be kept and sent again until
then. A signature has one spelling: what follows it, another alphabet or missing padding is refused. A header that decides
must be there once. Where a provider does not say whether a retry is signed anew, the window is longer than it retries,
so that no retry is refused as too old; deduplication recognises what is sent again within it.`,
    table(['provider', 'difference to its documentation or library'], differing),
  ].join('\n\n')}\n`;
}
