/** What a provider's webhook says about one message. */
import type { HandlerEvent } from 'holdfast';
import { receiptStatus, type Status } from './tables.ts';

/** https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks */
export interface TelnyxEvent {
  readonly data: {
    readonly occurred_at: string;
    readonly payload: {
      readonly id: string;
      readonly completed_at?: string | null;
      readonly to: readonly { readonly status: string }[];
    };
  };
}

/** https://resend.com/docs/dashboard/webhooks/event-types */
export interface ResendEvent {
  readonly created_at: string;
  readonly data: { readonly email_id: string };
}

/** One message, and how far it is. */
export interface Receipt {
  readonly messageId: string;
  readonly status: Status;
  /** When the provider says that it happened. */
  readonly at: string;
}

const RESEND: Readonly<Record<string, Status>> = {
  'email.sent': 'sent',
  'email.delivery_delayed': 'sent',
  'email.bounced': 'failed',
  'email.failed': 'failed',
  'email.delivered': 'delivered',
  // Who opened it has it, also when that is told first.
  'email.opened': 'delivered',
  'email.clicked': 'delivered',
};

/** The last word on a message is `message.finalized`, whatever it is; its recipient's own status says which. */
const TELNYX_FINAL: Readonly<Record<string, Status>> = { delivered: 'delivered', delivery_unconfirmed: 'sent' };

/** The types of event that are receipts. */
export const TYPES = ['message.sent', 'message.finalized', ...Object.keys(RESEND)];

export function receiptOf({ type, body }: HandlerEvent<TelnyxEvent | ResendEvent>): Receipt {
  if ('created_at' in body) {
    return { messageId: body.data.email_id, status: RESEND[type] ?? 'sent', at: body.created_at };
  }
  const { occurred_at, payload } = body.data;
  const final = TELNYX_FINAL[payload.to[0]?.status ?? ''] ?? 'failed';
  return {
    messageId: payload.id,
    status: type === 'message.finalized' ? final : 'sent',
    at: payload.completed_at ?? occurred_at,
  };
}

/** The furthest of what is said about each message. */
export function furthest(receipts: readonly Receipt[]): readonly Receipt[] {
  const byMessage = new Map<string, Receipt>();
  for (const receipt of receipts) {
    const known = byMessage.get(receipt.messageId);
    if (known === undefined || rank(receipt) > rank(known)) byMessage.set(receipt.messageId, receipt);
  }
  return [...byMessage.values()];
}

function rank({ status }: Receipt): number {
  return receiptStatus.enumValues.indexOf(status);
}
