/** Clouds, files and identities: Amazon SNS, Box, CloudEvents, Dropbox, Microsoft Graph, Okta. */
import { each, headersOf, json, type ProviderPayloads } from './payload.ts';

/** The topic is that of the receiver: it is put in with the signature. */
export const awsSns: ProviderPayloads = {
  types: each(['Notification', 'UnsubscribeConfirmation'], (draw) => {
    const id = draw.uuid();
    const unsubscribing = draw.type === 'UnsubscribeConfirmation';
    return {
      contentType: 'text/plain; charset=UTF-8',
      headers: headersOf({
        'User-Agent': 'Amazon Simple Notification Service Agent',
        'x-amz-sns-message-type': draw.type,
        'x-amz-sns-message-id': id,
      }),
      body: JSON.stringify({
        Type: draw.type,
        MessageId: id,
        ...(!unsubscribing && { Subject: 'order.created' }),
        Message: unsubscribing
          ? 'You have chosen to deactivate the subscription. To cancel this, visit the SubscribeURL.'
          : JSON.stringify({ order: `A-${draw.digits(5)}`, total: draw.float(5, 200, 2) }),
        Timestamp: draw.iso(),
        ...(unsubscribing && {
          Token: draw.hex(128),
          SubscribeURL: 'https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription',
        }),
      }),
    };
  }),
};

export const box: ProviderPayloads = {
  types: each(['FILE.UPLOADED', 'FILE.DOWNLOADED', 'FILE.TRASHED', 'FOLDER.CREATED', 'COMMENT.CREATED'], (draw) => {
    const { name, email } = draw.person();
    const by = { type: 'user', id: draw.digits(10), name, login: email };
    return json(
      {
        type: 'webhook_event',
        id: draw.uuid(),
        created_at: draw.isoSeconds(),
        trigger: draw.type,
        webhook: { id: '4137218', type: 'webhook' },
        created_by: by,
        source: {
          id: draw.digits(13),
          type: draw.type.startsWith('FOLDER') ? 'folder' : 'file',
          name: 'invoice.pdf',
          size: draw.int(1000, 9_000_000),
          modified_at: draw.isoSeconds(-2),
          parent: { type: 'folder', id: '0', name: 'All Files' },
          owned_by: by,
        },
        additional_info: [],
      },
      ['User-Agent', 'Box-WH-Client', 'BOX-DELIVERY-ID', draw.uuid()],
    );
  }),
};

export const cloudevents: ProviderPayloads = {
  types: each(['com.example.order.created', 'com.example.order.shipped', 'com.example.customer.updated'], (draw) => {
    const order = `A-${draw.digits(6)}`;
    return json(
      { order, customer: draw.person().email, total: draw.float(5, 200, 2) },
      headersOf({
        'ce-specversion': '1.0',
        'ce-type': draw.type,
        'ce-source': '/shops/berlin',
        'ce-id': draw.uuid(),
        'ce-time': draw.iso(),
        'ce-subject': order,
      }),
    );
  }),
};

export const dropbox: ProviderPayloads = {
  types: {
    list_folder: (draw) =>
      json({ list_folder: { accounts: [`dbid:AA${draw.text(33)}`] }, delta: { users: [draw.int(1, 9e8)] } }, [
        'User-Agent',
        'DropboxWebhooks/1.0',
      ]),
  },
};

export const msGraph: ProviderPayloads = {
  types: each(['created', 'updated', 'deleted'], (draw) => {
    const id = draw.text(60);
    const resource = `Users/${draw.uuid()}/Messages/${id}`;
    return json({
      value: [
        {
          id: draw.uuid(),
          subscriptionId: draw.uuid(),
          subscriptionExpirationDateTime: draw.iso(86_400),
          changeType: draw.type,
          resource,
          resourceData: {
            '@odata.type': '#Microsoft.Graph.Message',
            '@odata.id': resource,
            '@odata.etag': `W/"${draw.text(16)}"`,
            id,
          },
          tenantId: draw.uuid(),
        },
      ],
    });
  }),
};

export const okta: ProviderPayloads = {
  types: each(
    ['user.lifecycle.create', 'user.lifecycle.deactivate', 'user.session.start', 'group.user_membership.add'],
    (draw) => {
      const { name, email } = draw.person();
      return json({
        eventType: 'com.okta.event_hook',
        eventTypeVersion: '1.0',
        cloudEventsVersion: '0.1',
        source: 'https://example.okta.com/api/v1/eventHooks/who1x2y3z',
        eventId: draw.uuid(),
        eventTime: draw.iso(),
        contentType: 'application/json',
        data: {
          events: [
            {
              uuid: draw.uuid(),
              published: draw.iso(-1),
              eventType: draw.type,
              version: '0',
              displayMessage: draw.type,
              severity: 'INFO',
              actor: { id: `00u${draw.text(17)}`, type: 'User', alternateId: email, displayName: name },
              outcome: { result: 'SUCCESS' },
              target: [{ id: `00u${draw.text(17)}`, type: 'User', alternateId: draw.person().email }],
            },
          ],
        },
      });
    },
  ),
};
