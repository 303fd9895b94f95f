/**
 * Every provider, by its key. From this table come the pages in docs/providers, `holdfast simulate` and
 * `holdfast verify`.
 */
import type { Provider } from './provider.ts';
import { adyenPlatformProvider } from './providers/adyen-platform.ts';
import { adyenProvider } from './providers/adyen.ts';
import { awsSnsProvider } from './providers/aws-sns.ts';
import { bitbucketProvider } from './providers/bitbucket.ts';
import { boxProvider } from './providers/box.ts';
import { calendlyProvider } from './providers/calendly.ts';
import { cloudeventsProvider } from './providers/cloudevents.ts';
import { coinbaseCdpProvider, coinbaseCommerceProvider } from './providers/coinbase.ts';
import { discordProvider } from './providers/discord.ts';
import { docusignProvider } from './providers/docusign.ts';
import { dropboxProvider } from './providers/dropbox.ts';
import { genericHmacProvider, genericTimestampedProvider } from './providers/generic.ts';
import { githubProvider } from './providers/github.ts';
import { gitlabSigningTokenProvider, gitlabTokenProvider } from './providers/gitlab.ts';
import { hubspotLegacyProvider, hubspotProvider } from './providers/hubspot.ts';
import { intercomProvider } from './providers/intercom.ts';
import { jiraProvider } from './providers/jira.ts';
import { linearProvider } from './providers/linear.ts';
import { mailgunProvider } from './providers/mailgun.ts';
import { metaProvider } from './providers/meta.ts';
import { msGraphProvider } from './providers/ms-graph.ts';
import { oktaProvider } from './providers/okta.ts';
import { paddleProvider } from './providers/paddle.ts';
import { paypalProvider } from './providers/paypal.ts';
import { postmarkProvider } from './providers/postmark.ts';
import { razorpayProvider } from './providers/razorpay.ts';
import { refractProvider } from './providers/refract.ts';
import { rookProvider } from './providers/rook.ts';
import { sendgridInboundParseProvider, sendgridProvider } from './providers/sendgrid.ts';
import { shopifyProvider } from './providers/shopify.ts';
import { slackProvider } from './providers/slack.ts';
import { squareProvider } from './providers/square.ts';
import { resendProvider, standardWebhooksProvider, svixProvider } from './providers/standard.ts';
import { stripeProvider } from './providers/stripe.ts';
import { telnyxProvider } from './providers/telnyx.ts';
import { trelloProvider } from './providers/trello.ts';
import { twilioJsonProvider, twilioProvider } from './providers/twilio.ts';
import { typeformProvider } from './providers/typeform.ts';
import { xeroProvider } from './providers/xero.ts';
import { zendeskProvider } from './providers/zendesk.ts';
import { zoomProvider } from './providers/zoom.ts';

/** In the order of the alphabet. */
export const providers: readonly Provider[] = [
  adyenProvider,
  adyenPlatformProvider,
  awsSnsProvider,
  bitbucketProvider,
  boxProvider,
  calendlyProvider,
  cloudeventsProvider,
  coinbaseCdpProvider,
  coinbaseCommerceProvider,
  discordProvider,
  docusignProvider,
  dropboxProvider,
  genericHmacProvider,
  genericTimestampedProvider,
  githubProvider,
  gitlabSigningTokenProvider,
  gitlabTokenProvider,
  hubspotProvider,
  hubspotLegacyProvider,
  intercomProvider,
  jiraProvider,
  linearProvider,
  mailgunProvider,
  metaProvider,
  msGraphProvider,
  oktaProvider,
  paddleProvider,
  paypalProvider,
  postmarkProvider,
  razorpayProvider,
  refractProvider,
  resendProvider,
  rookProvider,
  sendgridProvider,
  sendgridInboundParseProvider,
  shopifyProvider,
  slackProvider,
  squareProvider,
  standardWebhooksProvider,
  stripeProvider,
  svixProvider,
  telnyxProvider,
  trelloProvider,
  twilioProvider,
  twilioJsonProvider,
  typeformProvider,
  xeroProvider,
  zendeskProvider,
  zoomProvider,
];

const byKey: ReadonlyMap<string, Provider> = new Map(providers.map((provider) => [provider.key, provider]));

/** The provider with this key; `undefined` where there is none. */
export function findProvider(key: string): Provider | undefined {
  return byKey.get(key);
}
