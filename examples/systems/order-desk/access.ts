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
  const session = digest('order desk').toString('base64url');
  const isSame = (given: string, right: string): boolean => timingSafeEqual(digest(given), digest(right));
  return {
    cookie: `desk=${session}; HttpOnly; SameSite=Strict; Path=/api/v2`,
    allows({ headers: { authorization = '', cookie = '', origin, host } }) {
      // A page of another site, in a browser that is logged in here.
      if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host)) return false;
      const basic = Buffer.from(/^Basic (.+)$/i.exec(authorization)?.[1] ?? '', 'base64').toString();
      const kept = /(?:^|; )desk=([\w-]+)/.exec(cookie)?.[1] ?? '';
      return isSame(basic.slice(basic.indexOf(':') + 1), password) || isSame(kept, session);
    },
  };
}
