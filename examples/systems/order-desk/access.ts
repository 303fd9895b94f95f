/** Who may look at orders: whoever has the password, once as basic credentials, then by a cookie that sockets carry too. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface Access {
  /** The `Set-Cookie` of a page that may be seen. */
  readonly cookie: string;
  allows(request: IncomingMessage): boolean;
}

export function passwordAccess(password: string): Access {
  const digest = (text: string): Buffer => createHmac('sha256', password).update(text).digest();
  const right = digest(password);
  const session = digest('order-desk session').toString('base64url');
  const isRight = (given: string): boolean => timingSafeEqual(digest(given), right);
  return {
    cookie: `desk=${session}; HttpOnly; SameSite=Strict; Path=/api/v2`,
    allows({ headers: { authorization = '', cookie = '', origin, host } }) {
      // A page of another site, in a browser that is logged in here.
      if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host)) return false;
      const basic = /^Basic (.+)$/i.exec(authorization)?.[1];
      const given = Buffer.from(basic ?? '', 'base64').toString();
      const kept = /(?:^|; )desk=([\w-]+)/.exec(cookie)?.[1];
      return isRight(given.slice(given.indexOf(':') + 1)) || (kept !== undefined && isSame(kept, session));
    },
  };
}

function isSame(given: string, right: string): boolean {
  return given.length === right.length && timingSafeEqual(Buffer.from(given), Buffer.from(right));
}
