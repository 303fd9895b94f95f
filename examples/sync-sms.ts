/** A `sync` source: whoever texts the number gets the handler's own answer, within the time Twilio waits. */
import { createGateway, defineConfig } from 'holdfast';
import { signRequest, twilio } from 'holdfast/verify';

const verify = twilio({ secrets: 'the auth token of the account', publicUrl: 'https://sms.example.com' });

// #region config
const config = defineConfig({
  store: 'memory:',
  logLevel: 'error',
  port: 0,
  sources: {
    sms: {
      verify,
      mode: 'sync',
      responder: 'reply', // the handler whose return value is the answer
      deadline: '500ms', // by default 80 % of what the provider waits
      answer: { status: 200, headers: { 'content-type': 'text/xml' }, body: '<Response/>' }, // when it is late
    },
  },
});
// #endregion
const gateway = createGateway(config);

const never = Promise.withResolvers<never>();
let calls = 0;

// #region handler
gateway.handle('reply', { from: 'sms', breaker: false }, async (event) => {
  const { Body: text = '' } = event.body as { Body?: string };
  calls++;
  if (text === 'slow') await never.promise;
  return {
    status: 200,
    headers: { 'content-type': 'text/xml' },
    body: `<Response><Message>You said: ${escapeXml(text)}</Message></Response>`,
  };
});
// #endregion

const { ingest } = await gateway.listen();

function escapeXml(plain: string): string {
  return plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** Texts the number, as Twilio passes it on. */
async function text(sid: string, message: string): Promise<void> {
  const form = new URLSearchParams({ MessageSid: sid, SmsStatus: 'received', Body: message }).toString();
  const headers = ['content-type', 'application/x-www-form-urlencoded'];
  const unsigned = { method: 'POST', url: '/in/sms', headers, body: Buffer.from(form) };
  const signed = await signRequest(verify, unsigned, Date.now());
  const pairs = Array.from({ length: signed.headers.length / 2 }, (_, at): [string, string] => [
    signed.headers[2 * at] ?? '',
    signed.headers[2 * at + 1] ?? '',
  ]);
  const url = `http://127.0.0.1:${ingest.port}/in/sms`;
  const response = await fetch(url, { method: 'POST', headers: pairs, body: form });
  console.log(`${message}: ${response.status} ${await response.text()}`);
}

await text('SM1', 'hello');
await text('SM1', 'hello'); // a repeat: the same answer, and the handler is not called again
console.log(`calls: ${calls}`);
await text('SM2', 'slow'); // later than the deadline: the default answer, and the delivery goes on
await gateway.stop({ graceMs: 0 });
