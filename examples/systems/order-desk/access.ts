/** Who may look at orders: whoever has the password, once as basic credentials, then by a cookie that sockets carry too. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export type Access = ReturnType<typeof passwordAccess>;

export function passwordAccess(password: string) {
  const digest = (text: string): Buffer => createHmac('sha256', password).update(text).digest();
  const session = digest('order desk').toString('base64url');
  const isSame = (given: string, right: string): boolean => timingSafeEqual(digest(given), digest(right));
  return {
    /** The `Set-Cookie` of a page that may be seen. */
    cookie: `desk=${session}; HttpOnly; SameSite=Strict; Path=/api/v2`,
    allows({ headers: { authorization = '', cookie = '', origin, host } }: IncomingMessage): boolean {
      // A page of another site, in a browser that is logged in here.
      if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host)) return false;
      const basic = Buffer.from(/^Basic (.+)$/i.exec(authorization)?.[1] ?? '', 'base64').toString();
      const kept = /(?:^|; )desk=([\w-]+)/.exec(cookie)?.[1] ?? '';
      return isSame(basic.slice(basic.indexOf(':') + 1), password) || isSame(kept, session);
    },
  };
}
