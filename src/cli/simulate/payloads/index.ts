/**
 * What every provider sends, by its key: payloads of its types, written from its documentation, every value invented.
 * They are what `holdfast simulate` sends, and what load tests draw from.
 */
import * as chat from './chat.ts';
import * as cloud from './cloud.ts';
import * as code from './code.ts';
import * as mail from './mail.ts';
import * as office from './office.ts';
import type { Make, Payload, ProviderPayloads } from './payload.ts';
import * as payments from './payments.ts';
import * as phone from './phone.ts';
import { rook } from './rook.ts';
import * as senders from './senders.ts';
import * as shops from './shops.ts';
import { stripe } from './stripe.ts';

export const payloads: Readonly<Record<string, ProviderPayloads>> = {
  adyen: payments.adyen,
  'adyen-platform': payments.adyenPlatform,
  'aws-sns': cloud.awsSns,
  bitbucket: code.bitbucket,
  box: cloud.box,
  calendly: office.calendly,
  cloudevents: cloud.cloudevents,
  'coinbase-cdp': payments.coinbaseCdp,
  'coinbase-commerce': payments.coinbaseCommerce,
  discord: chat.discord,
  docusign: office.docusign,
  dropbox: cloud.dropbox,
  'generic-hmac': senders.generic,
  'generic-timestamped': senders.generic,
  github: code.github,
  'gitlab-signing-token': code.gitlabSigningToken,
  'gitlab-token': code.gitlabToken,
  hubspot: office.hubspot,
  'hubspot-legacy': office.hubspot,
  intercom: chat.intercom,
  jira: code.jira,
  linear: code.linear,
  mailgun: mail.mailgun,
  meta: phone.meta,
  'ms-graph': cloud.msGraph,
  okta: cloud.okta,
  paddle: payments.paddle,
  paypal: payments.paypal,
  postmark: mail.postmark,
  razorpay: payments.razorpay,
  'refract-discord-embed': shops.refract,
  resend: mail.resend,
  rook,
  sendgrid: mail.sendgrid,
  'sendgrid-inbound-parse': mail.sendgridInboundParse,
  shopify: shops.shopify,
  slack: chat.slack,
  square: shops.square,
  'standard-webhooks': senders.standardWebhooks,
  stripe,
  svix: senders.svix,
  telnyx: phone.telnyx,
  trello: code.trello,
  twilio: phone.twilio,
  'twilio-json': phone.twilioJson,
  typeform: office.typeform,
  xero: office.xero,
  zendesk: chat.zendesk,
  zoom: phone.zoom,
};

/** The payload of a type; of one that is not named, that of the type which begins most like it. */
export function payloadOf({ types }: ProviderPayloads, type: string): Payload | Make | undefined {
  if (Object.hasOwn(types, type)) return types[type];
  const names = Object.keys(types);
  const [nearest] = names.toSorted((left, right) => alike(right, type) - alike(left, type));
  return nearest === undefined ? undefined : types[nearest];
}

/** How many words two types begin with in common: `invoice.paid` and `invoice.voided` one. */
function alike(left: string, right: string): number {
  const [first, second] = [left, right].map((text) => text.split(/[^A-Za-z0-9]+/));
  const different = first?.findIndex((word, index) => word !== second?.[index]) ?? 0;
  return different < 0 ? (first?.length ?? 0) : different;
}
