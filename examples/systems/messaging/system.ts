import type { System } from '../../../scripts/system.ts';
import { DEMO } from './demo.ts';

const system: System = {
  about: 'Twilio and SendGrid answered within the request, or acknowledged and queued, by one setting',
  services: { postgres: 'DATABASE_URL', redis: 'REDIS_URL' },
  programs: ['outside.ts', 'web.ts', 'worker.ts'],
  env: () => ({
    PUBLIC_URL: 'http://127.0.0.1:8080',
    TWILIO_AUTH_TOKEN: DEMO.authToken,
    SENDGRID_PUBLIC_KEY: DEMO.publicKey,
    TWILIO_ACCOUNT_SID: 'AC0f3c9b1d2e4a5f6071829304a5b6c7d8',
    TWILIO_NUMBER: '+13125550100',
    SENDGRID_API_KEY: 'SG.demo',
    MAIL_FROM: 'us@example.com',
    API_TOKEN: 'demo',
    HOLDFAST_ADMIN_TOKEN: 'demo',
    AI_URL: 'http://127.0.0.1:8090/ai',
    TWILIO_API: 'http://127.0.0.1:8090',
    SENDGRID_API: 'http://127.0.0.1:8090',
    OUTSIDE_TEXTS: 'yes',
  }),
  look: [
    'A text from +13125550010 is on its way; the reply takes the AI three seconds. Then:',
    `  curl -H 'authorization: Bearer demo' http://127.0.0.1:8080/api/v1/conversations/sms/+13125550010`,
    'Load: npx node --conditions=holdfast-source examples/systems/messaging/load.ts',
  ].join('\n'),
};
export default system;
