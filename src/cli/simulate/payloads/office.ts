/** Contacts, forms, meetings and books: Calendly, DocuSign, HubSpot, Typeform, Xero. */
import { each, json, type ProviderPayloads } from './payload.ts';

export const calendly: ProviderPayloads = {
  types: each(['invitee.created', 'invitee.canceled', 'routing_form_submission.created'], (draw) => {
    const { name, email } = draw.person();
    const scheduled = `https://api.calendly.com/scheduled_events/${draw.uuid()}`;
    return json(
      {
        created_at: `${draw.iso().slice(0, -1)}${draw.digits(3)}Z`,
        created_by: `https://api.calendly.com/users/${draw.uuid()}`,
        event: draw.type,
        payload: {
          cancel_url: `https://calendly.com/cancellations/${draw.uuid()}`,
          email,
          event: scheduled,
          name,
          questions_and_answers: [],
          rescheduled: false,
          scheduled_event: {
            uri: scheduled,
            name: '30 minutes',
            start_time: draw.isoSeconds(86_400),
            end_time: draw.isoSeconds(88_200),
            status: 'active',
          },
          status: draw.type.endsWith('canceled') ? 'canceled' : 'active',
          timezone: 'Europe/Berlin',
          updated_at: draw.iso(),
          uri: `${scheduled}/invitees/${draw.uuid()}`,
        },
      },
      ['User-Agent', 'Calendly Webhook Delivery'],
    );
  }),
};

export const docusign: ProviderPayloads = {
  types: each(
    ['envelope-sent', 'envelope-delivered', 'envelope-completed', 'envelope-declined', 'recipient-completed'],
    (draw) => {
      const envelopeId = draw.uuid();
      const { name, email } = draw.person();
      return json(
        {
          event: draw.type,
          apiVersion: 'v2.1',
          uri: `/restapi/v2.1/accounts/${draw.uuid()}/envelopes/${envelopeId}`,
          retryCount: 0,
          configurationId: draw.int(1e6, 2e7),
          generatedDateTime: `${draw.iso().slice(0, -1)}${draw.digits(4)}Z`,
          data: {
            accountId: draw.uuid(),
            userId: draw.uuid(),
            envelopeId,
            envelopeSummary: {
              status: draw.type.split('-')[1],
              emailSubject: 'Please sign: order form',
              sentDateTime: draw.iso(-600),
              recipients: { signers: [{ name, email, recipientId: '1', status: 'completed' }] },
            },
          },
        },
        ['User-Agent', 'DocuSign Connect'],
      );
    },
  ),
};

/** Up to a hundred events in one request; here a few of one kind, of several objects. */
export const hubspot: ProviderPayloads = {
  types: each(
    ['contact.creation', 'contact.propertyChange', 'contact.deletion', 'company.creation', 'deal.propertyChange'],
    (draw) =>
      json(
        Array.from({ length: draw.int(1, 4) }, (_, index) => ({
          eventId: draw.int(1, 4_000_000_000),
          subscriptionId: 2_141_907,
          portalId: 25_117_003,
          appId: 1_160_452,
          occurredAt: draw.at.getTime() - index,
          subscriptionType: draw.type,
          attemptNumber: 0,
          objectId: draw.int(1, 4_000_000_000),
          ...(draw.type.endsWith('propertyChange')
            ? { propertyName: 'lifecyclestage', propertyValue: 'customer', changeSource: 'CRM_UI' }
            : { changeFlag: 'CREATED', changeSource: 'CRM' }),
        })),
        ['User-Agent', 'HubSpot Connect 2.0 (http://dev.hubspot.com/) - Webhooks'],
      ),
  ),
};

export const typeform: ProviderPayloads = {
  types: each(['form_response', 'form_response_partial'], (draw) => {
    const reference = draw.uuid();
    return json(
      {
        event_id: `01${draw.text(24).toUpperCase()}`,
        event_type: draw.type,
        form_response: {
          form_id: draw.text(8),
          token: draw.text(32).toLowerCase(),
          landed_at: draw.isoSeconds(-90),
          submitted_at: draw.isoSeconds(),
          definition: {
            id: draw.text(8),
            title: 'How was it?',
            fields: [{ id: draw.text(12), ref: reference, type: 'rating', title: 'Stars' }],
          },
          answers: [
            { type: 'number', number: draw.int(1, 5), field: { id: draw.text(12), type: 'rating', ref: reference } },
          ],
          ending: { id: 'DefaultTyScreen', ref: 'default_tys' },
        },
      },
      ['User-Agent', 'Typeform Webhooks'],
    );
  }),
};

export const xero: ProviderPayloads = {
  types: each(['INVOICE.CREATE', 'INVOICE.UPDATE', 'CONTACT.CREATE', 'CONTACT.UPDATE'], (draw) => {
    const [category = 'INVOICE', type = 'UPDATE'] = draw.type.split('.');
    const resourceId = draw.uuid();
    const sequence = draw.int(1, 90_000);
    return json({
      events: [
        {
          resourceUrl: `https://api.xero.com/api.xro/2.0/${category === 'CONTACT' ? 'Contacts' : 'Invoices'}/${resourceId}`,
          resourceId,
          eventDateUtc: draw.iso().slice(0, -1),
          eventType: type,
          eventCategory: category,
          tenantId: draw.uuid(),
          tenantType: 'ORGANISATION',
        },
      ],
      firstEventSequence: sequence,
      lastEventSequence: sequence,
      entropy: draw.text(20).toUpperCase(),
    });
  }),
};
