/**
 * A burst of correctly signed webhooks, inbound texts from Twilio and batches of events from SendGrid side by side:
 *
 *   node --conditions=holdfast-source examples/systems/messaging/load.ts [REQUESTS_EACH] [CONCURRENCY]
 *
 * against `npm run system messaging`, or whatever ORIGIN names.
 */
import { type LoadReport, sendLoad, simulation } from 'holdfast/testing';
import { DEMO } from './demo.ts';

const [count = 1000, concurrency = 10] = process.argv.slice(2).map(Number);
const origin = process.env['ORIGIN'] ?? 'http://127.0.0.1:8080';

const senders = {
  twilio: simulation('twilio', {
    path: '/api/v1/webhooks/twilio',
    type: 'received',
    settings: { secrets: DEMO.authToken, publicUrl: origin },
  }),
  sendgrid: simulation('sendgrid', {
    path: '/api/v1/webhooks/sendgrid',
    settings: { publicKeys: DEMO.publicKey, privateKeys: DEMO.privateKey },
  }),
};

const reports = await Promise.all(
  Object.entries(senders).map(async ([name, sender]) => ({
    name,
    report: await sendLoad({ origin, count, concurrency, ...sender }),
  })),
);

console.log('                 answers  per second     p50     p90     p95     p99     max  ms');
for (const { name, report } of reports) console.log(line(name, report));

function line(name: string, { statuses, errors, perS, latencyMs }: LoadReport): string {
  const answers = Object.entries({ ...statuses, ...errors }).map(([what, times]) => `${times} × ${what}`);
  const { p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0 } = latencyMs ?? {};
  const times = [p50, p90, p95, p99, max].map((ms) => ms.toFixed(1).padStart(7)).join(' ');
  return `${name.padEnd(10)} ${answers.join(', ').padStart(13)} ${perS.toFixed(0).padStart(11)} ${times}`;
}
