/** Conversations: Discord, Intercom, Slack, Zendesk. */
import type { Draw } from './draw.ts';
import { each, json, type Payload, type ProviderPayloads } from './payload.ts';

/** A Discord id: 64 bits that begin with the time. */
const snowflake = (draw: Draw): string =>
  String((BigInt(draw.at.getTime() - 1_420_070_400_000) << 22n) + BigInt(draw.int(0, 4_194_303)));

export const discord: ProviderPayloads = {
  types: {
    ...each(['APPLICATION_AUTHORIZED', 'ENTITLEMENT_CREATE', 'APPLICATION_DEAUTHORIZED'], (draw) =>
      json({
        version: 1,
        application_id: '1234560123453231555',
        type: 1,
        event: {
          type: draw.type,
          timestamp: draw.iso(),
          data: {
            integration_type: 1,
            scopes: ['applications.commands'],
            user: {
              id: snowflake(draw),
              username: draw.person().first.toLowerCase(),
              discriminator: '0',
              avatar: draw.hex(32),
            },
          },
        },
      }),
    ),
    PING: () => json({ version: 1, application_id: '1234560123453231555', type: 0 }),
  },
  mix: ['APPLICATION_AUTHORIZED', 'ENTITLEMENT_CREATE', 'APPLICATION_DEAUTHORIZED'],
};

export const intercom: ProviderPayloads = {
  types: each(
    ['conversation.user.created', 'conversation.user.replied', 'conversation.admin.closed', 'contact.user.created'],
    (draw) => {
      const { name, email } = draw.person();
      return json({
        type: 'notification_event',
        app_id: draw.text(8).toLowerCase(),
        data: {
          type: 'notification_event_data',
          item: {
            type: draw.type.startsWith('contact') ? 'contact' : 'conversation',
            id: draw.digits(15),
            created_at: draw.seconds(-30),
            updated_at: draw.seconds(),
            source: { type: 'conversation', body: '<p>Where is my order?</p>', author: { type: 'user', name, email } },
            state: draw.type.endsWith('closed') ? 'closed' : 'open',
            priority: 'not_priority',
          },
        },
        links: {},
        id: `notif_${draw.uuid()}`,
        topic: draw.type,
        delivery_status: 'pending',
        delivery_attempts: 1,
        delivered_at: 0,
        first_sent_at: draw.seconds(),
        created_at: draw.seconds(),
        self: null,
      });
    },
  ),
};

function slackEvent(draw: Draw, event: Readonly<Record<string, unknown>>): Payload {
  const team = `T${draw.text(10).toUpperCase()}`;
  const app = `A${draw.text(10).toUpperCase()}`;
  return json(
    {
      token: draw.text(24),
      team_id: team,
      api_app_id: app,
      event: { type: draw.type, ...event, event_ts: slackTime(draw) },
      type: 'event_callback',
      event_id: `Ev${draw.text(14).toUpperCase()}`,
      event_time: draw.seconds(),
      authorizations: [
        { enterprise_id: null, team_id: team, user_id: 'U0BOT', is_bot: true, is_enterprise_install: false },
      ],
      is_ext_shared_channel: false,
      event_context: `4-${draw.text(60)}`,
    },
    ['User-Agent', 'Slackbot 1.0 (+https://api.slack.com/robots)'],
  );
}

const slackTime = (draw: Draw): string => `${draw.seconds()}.${draw.digits(6)}`;
const channel = (draw: Draw): string => `C${draw.text(10).toUpperCase()}`;
const user = (draw: Draw): string => `U${draw.text(10).toUpperCase()}`;

export const slack: ProviderPayloads = {
  types: {
    message: (draw) =>
      slackEvent(draw, {
        channel: channel(draw),
        channel_type: 'channel',
        user: user(draw),
        text: 'Deploy is done ☕',
        ts: slackTime(draw),
      }),
    app_mention: (draw) =>
      slackEvent(draw, { channel: channel(draw), user: user(draw), text: '<@U0BOT> status?', ts: slackTime(draw) }),
    reaction_added: (draw) =>
      slackEvent(draw, {
        user: user(draw),
        reaction: 'thumbsup',
        item: { type: 'message', channel: channel(draw), ts: slackTime(draw) },
      }),
    member_joined_channel: (draw) => slackEvent(draw, { user: user(draw), channel: channel(draw), channel_type: 'C' }),
    url_verification: (draw) => json({ token: draw.text(24), challenge: draw.text(40), type: 'url_verification' }),
  },
  mix: ['message', 'app_mention', 'reaction_added', 'member_joined_channel'],
};

export const zendesk: ProviderPayloads = {
  types: each(
    [
      'zen:event-type:ticket.created',
      'zen:event-type:ticket.status_changed',
      'zen:event-type:ticket.comment_added',
      'zen:event-type:user.created',
    ],
    (draw) => {
      const [kind = 'ticket'] = (draw.type.split(':')[2] ?? '').split('.');
      const id = draw.digits(7);
      return json(
        {
          account_id: 22_129_848,
          detail: {
            id,
            created_at: draw.isoSeconds(-60),
            updated_at: draw.isoSeconds(),
            priority: 'NORMAL',
            status: 'OPEN',
            subject: 'Where is my order?',
            requester_id: draw.digits(13),
          },
          event: {
            meta: {
              occurred_at: draw.isoSeconds(),
              ref: draw.text(26).toUpperCase(),
              sequence: { id: '1', position: 1 },
            },
          },
          id: draw.uuid(),
          subject: `zen:${kind}:${id}`,
          time: draw.iso(),
          type: draw.type,
          zendesk_event_version: '2022-11-06',
        },
        ['User-Agent', 'Zendesk Webhook', 'X-Zendesk-Webhook-Invocation-Id', draw.text(26).toUpperCase()],
      );
    },
  ),
};
