/**
 * Correctly signed webhooks of Resend at 10,000 a second, for https://k6.io. Telnyx signs with Ed25519, which k6 cannot:
 * load.ts sends both.
 *
 *   go install go.k6.io/k6@latest
 *   k6 run examples/systems/receipts/k6/webhook-load-test.js
 *
 * ORIGIN, RATE (per second), DURATION and RESEND_WEBHOOK_SECRET are taken from the environment (`k6 run -e RATE=500 …`).
 * What the machine takes less than RATE shows as `dropped_iterations`; the rate that was reached is printed at the end.
 */
import { check } from 'k6';
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import http from 'k6/http';

const ORIGIN = __ENV.ORIGIN || 'http://127.0.0.1:8080';
const RATE = Number(__ENV.RATE || 10000);
const DURATION = __ENV.DURATION || '30s';
/** Below the default of connections that one address may have, 1000. */
const USERS = 800;
const SECRET = encoding.b64decode(
  (__ENV.RESEND_WEBHOOK_SECRET || 'whsec_2LeuZFL0G3sZSlGkB+fmmOiTaFEoC/6Vn9Sxgq1U+1g=').replace(/^whsec_/, ''),
);

export const options = {
  scenarios: {
    receipts: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: DURATION,
      preAllocatedVUs: 200,
      maxVUs: USERS,
    },
  },
  thresholds: { http_req_duration: ['p(99)<100'], checks: ['rate>0.99'] },
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};

const run = Date.now().toString(36);

export default function () {
  const id = `msg_${run}_${__VU}_${__ITER}`;
  const at = new Date().toISOString();
  const body = JSON.stringify({
    type: 'email.delivered',
    created_at: at,
    data: { email_id: `${run}-${__VU}-${__ITER}`, created_at: at, from: 'shop@example.com', to: ['ana@example.com'] },
  });
  const seconds = String(Math.floor(Date.now() / 1000));
  const signature = crypto.hmac('sha256', SECRET, `${id}.${seconds}.${body}`, 'base64');
  const response = http.post(`${ORIGIN}/webhooks/resend`, body, {
    headers: {
      'content-type': 'application/json',
      'svix-id': id,
      'svix-timestamp': seconds,
      'svix-signature': `v1,${signature}`,
    },
  });
  check(response, { acknowledged: ({ status }) => status === 200 });
}

export function handleSummary({ metrics }) {
  const { http_reqs: requests, http_req_duration: duration, checks, dropped_iterations: dropped } = metrics;
  const lines = [
    `reached          ${requests.values.rate.toFixed(0)} webhooks/s of ${RATE}`,
    `acknowledged     ${(100 * checks.values.rate).toFixed(2)} %`,
    `answers          p50 ${duration.values.med.toFixed(1)} ms, p95 ${duration.values['p(95)'].toFixed(1)} ms, p99 ${duration.values['p(99)'].toFixed(1)} ms`,
    `not sent         ${dropped === undefined ? 0 : dropped.values.count}: all ${USERS} were waiting for answers`,
  ];
  return { stdout: `${lines.join('\n')}\n` };
}
