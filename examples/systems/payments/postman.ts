/**
 * A Postman collection of the running application, made from its OpenAPI document:
 *
 *   node --conditions=holdfast-source examples/systems/payments/postman.ts http://127.0.0.1:3000 > payments.json
 *
 * Set the variables `operatorToken` and `receiver` (where a webhook can be sent to), and run it: each request checks its
 * answer, and hands on the ids that later ones need.
 */
import converter from 'openapi-to-postmanv2';

interface Item {
  readonly name: string;
  readonly item?: readonly Item[];
  readonly response?: readonly { readonly code: number }[];
  readonly request?: { readonly method: string; readonly url: { readonly path: readonly string[] } };
}

interface Collection {
  readonly item: readonly Item[];
}

/** Of the operator; everything else is a merchant's. */
const OPERATOR = /^(?:health|api\/(?:tokens|queues))/;
/** Folders that the others need what they make of: a merchant, and something it is owed. */
const FIRST = ['tokens', 'endpoints'];
/** Where the examples of Holdfast's document send to. */
const RECEIVER = 'https://example.com/hooks';

const HAND_ON = `
const answer = pm.response.code === 204 ? {} : pm.response.json();
if (answer.token) pm.collectionVariables.set('merchantToken', answer.token);
if (answer.endpoint) pm.collectionVariables.set('endpoints', answer.endpoint.id);
if (answer.rows && answer.rows[0]) pm.collectionVariables.set('delivery', answer.rows[0].id);
`;

/** @param base where the application is: `http://127.0.0.1:3000` */
export async function collectionOf(base: string): Promise<object> {
  const document = (await (await fetch(`${base}/openapi.json`)).text()).replaceAll(RECEIVER, '{{receiver}}');
  const collection = await converted(JSON.parse(document) as object);
  const { item, ...rest } = collection;
  return {
    ...rest,
    item: item.toSorted((one, other) => rankOf(one) - rankOf(other)).map(checked),
    event: [test(HAND_ON)],
    variable: [
      { key: 'baseUrl', value: base },
      { key: 'operatorToken', value: '' },
      { key: 'receiver', value: RECEIVER },
      { key: 'destination', value: 'notification-events' },
    ],
  };
}

function converted(data: object): Promise<Collection> {
  const { promise, resolve, reject } = Promise.withResolvers<Collection>();
  const options = { folderStrategy: 'Tags', parametersResolution: 'Example', enableOptionalParameters: false };
  converter.convertV2({ type: 'json', data }, options, (error, { result, reason, output }) => {
    const [made] = output ?? [];
    if (error === null && result && made !== undefined) resolve(made.data as Collection);
    else reject(error ?? new Error(reason));
  });
  return promise;
}

/** With the token of whom it is for, and a test that it answers what its document calls success. */
function checked(item: Item): object {
  if (item.request === undefined) return { ...item, item: item.item?.filter(isRun).toSorted(deletesLast).map(checked) };
  const { url } = item.request;
  const token = OPERATOR.test(url.path.join('/')) ? '{{operatorToken}}' : '{{merchantToken}}';
  const success = item.response?.find(({ code }) => code < 300)?.code;
  const named = url.path.filter((part) => part.startsWith(':')).map((part) => part.slice(1));
  return {
    ...item,
    request: {
      ...item.request,
      auth: { type: 'bearer', bearer: [{ key: 'token', value: token, type: 'string' }] },
      url: { ...url, variable: named.map((key) => ({ key, value: valueOf(key, url.path) })) },
    },
    event: [test(`pm.test('answers ${success}', () => pm.response.to.have.status(${success}));`)],
  };
}

function rankOf({ name }: Item): number {
  const rank = FIRST.indexOf(name);
  return rank === -1 ? FIRST.length : rank;
}

/** To send again waits for the delivery to have ended: that is nothing for a run from top to bottom. */
function isRun({ request }: Item): boolean {
  return request?.url.path.at(-1) !== 'replay';
}

/** What is deleted is not there for what comes after. */
function deletesLast(one: Item, other: Item): number {
  return Number(one.request?.method === 'DELETE') - Number(other.request?.method === 'DELETE');
}

/** The id that was handed on; of what merchants write, that of the example. */
function valueOf(key: string, [folder = '', inApi = '']: readonly string[]): string {
  if (key !== 'id') return `{{${key}}}`;
  return folder === 'api' ? `{{${inApi}}}` : `${folder.slice(0, 3)}_1`;
}

function test(script: string): object {
  return { listen: 'test', script: { type: 'text/javascript', exec: script.trim().split('\n') } };
}

if (import.meta.main)
  console.log(JSON.stringify(await collectionOf(process.argv[2] ?? 'http://127.0.0.1:3000'), null, 2));
