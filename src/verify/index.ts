/**
 * `holdfast/verify`: proves who sent a webhook, from its raw bytes. Usable without a gateway:
 *
 * ```ts
 * const verifier = stripe({ secrets: 'whsec_…' });
 * const verdict = await verifier.verify({ method, url, headers, body }, Date.now());
 * if (!verdict.ok) return new Response(null, { status: 401 });
 * ```
 */
export { all, anyOf, ipAllowList, none } from './compose.ts';
export type { IpAllowListOptions } from './compose.ts';
export type { Encoding } from './encoding.ts';
export { readRequest } from './fetch-request.ts';
export { hmac, timestampedHmac } from './hmac.ts';
export type { HmacOptions, HmacSettings, TimestampedHmacOptions } from './hmac.ts';
export type { SecretEncoding } from './keys.ts';
export type { HmacAlgorithm } from './prepared-hmac.ts';
export { findProvider, providers } from './catalog.ts';
export type {
  Provider,
  ProviderPage,
  ProviderSettings,
  PublicKeyOptions,
  PublicUrlOptions,
  SecretOptions,
  ToleranceOptions,
} from './provider.ts';
export type { CertificateOptions } from './certificates.ts';
export { adyenPlatform } from './providers/adyen-platform.ts';
export { adyen } from './providers/adyen.ts';
export { awsSns } from './providers/aws-sns.ts';
export type { AwsSnsOptions } from './providers/aws-sns.ts';
export { bitbucket } from './providers/bitbucket.ts';
export { box } from './providers/box.ts';
export type { BoxOptions } from './providers/box.ts';
export { calendly } from './providers/calendly.ts';
export type { CalendlyOptions } from './providers/calendly.ts';
export { cloudevents } from './providers/cloudevents.ts';
export type { CloudeventsOptions } from './providers/cloudevents.ts';
export { coinbaseCdp, coinbaseCommerce } from './providers/coinbase.ts';
export type { CoinbaseCdpOptions } from './providers/coinbase.ts';
export { discord } from './providers/discord.ts';
export type { DiscordOptions } from './providers/discord.ts';
export { docusign } from './providers/docusign.ts';
export { dropbox } from './providers/dropbox.ts';
export { github } from './providers/github.ts';
export { gitlabSigningToken, gitlabToken } from './providers/gitlab.ts';
export type { GitlabSigningTokenOptions } from './providers/gitlab.ts';
export { hubspot, hubspotLegacy } from './providers/hubspot.ts';
export type { HubspotLegacyOptions, HubspotOptions } from './providers/hubspot.ts';
export { intercom } from './providers/intercom.ts';
export { jira } from './providers/jira.ts';
export { linear } from './providers/linear.ts';
export type { LinearOptions } from './providers/linear.ts';
export { mailgun } from './providers/mailgun.ts';
export type { MailgunOptions } from './providers/mailgun.ts';
export { meta } from './providers/meta.ts';
export type { MetaOptions } from './providers/meta.ts';
export { msGraph } from './providers/ms-graph.ts';
export { okta } from './providers/okta.ts';
export type { OktaOptions } from './providers/okta.ts';
export { paddle } from './providers/paddle.ts';
export type { PaddleOptions } from './providers/paddle.ts';
export { paypal } from './providers/paypal.ts';
export type { PaypalOptions } from './providers/paypal.ts';
export { postmark } from './providers/postmark.ts';
export type { PostmarkOptions } from './providers/postmark.ts';
export { razorpay } from './providers/razorpay.ts';
export { refract } from './providers/refract.ts';
export type { RefractOptions } from './providers/refract.ts';
export { rook } from './providers/rook.ts';
export { sendgrid, sendgridInboundParse } from './providers/sendgrid.ts';
export type { SendgridOptions } from './providers/sendgrid.ts';
export { shopify } from './providers/shopify.ts';
export { slack } from './providers/slack.ts';
export type { SlackOptions } from './providers/slack.ts';
export { square } from './providers/square.ts';
export type { SquareOptions } from './providers/square.ts';
export { resend, svix } from './providers/standard.ts';
export type { SvixOptions } from './providers/standard.ts';
export { stripe } from './providers/stripe.ts';
export type { StripeOptions } from './providers/stripe.ts';
export { telnyx } from './providers/telnyx.ts';
export type { TelnyxOptions } from './providers/telnyx.ts';
export { trello } from './providers/trello.ts';
export type { TrelloOptions } from './providers/trello.ts';
export { twilio, twilioJson } from './providers/twilio.ts';
export type { TwilioOptions } from './providers/twilio.ts';
export { typeform } from './providers/typeform.ts';
export { xero } from './providers/xero.ts';
export { zendesk } from './providers/zendesk.ts';
export type { ZendeskOptions } from './providers/zendesk.ts';
export { zoom } from './providers/zoom.ts';
export type { ZoomOptions } from './providers/zoom.ts';
export { secret } from './secret.ts';
export type { Environment } from './secret.ts';
export { signRequest } from './sign.ts';
export { standardWebhooks } from './standard-webhooks.ts';
export type { StandardWebhooksOptions } from './standard-webhooks.ts';
export type { TimestampUnit } from './timestamp.ts';
export { basic, bearer, headerToken, pathToken, queryToken } from './tokens.ts';
export type { BasicOptions, Credentials, HeaderTokenOptions, QueryTokenOptions, TokenSettings } from './tokens.ts';
export type {
  HandshakeAnswer,
  HttpAnswer,
  Proof,
  Reader,
  ReadInput,
  RejectReason,
  SecretReference,
  SecretSource,
  SourceDefaults,
  TypedBody,
  UnsignedRequest,
  Verdict,
  Verifier,
  VerifyRequest,
  Witness,
} from './verifier.ts';
