/** Verifying rejected requests again, after a secret was corrected: through the normal path, judged by when they came. */
import type { Acceptor } from './accept.ts';
import type { Rejection, RejectionFilter, RejectionLog } from './rejections.ts';

/** What became of them. */
export interface AgainAnswer {
  /** Events now, or duplicates of some; no longer in the log. */
  readonly accepted: number;
  /** Refused again, and still in the log. */
  readonly refused: number;
  /** Of the refused: those whose proof was a credential, which is not stored, or whose source is gone. */
  readonly unverifiable: number;
}

const PAGE = 50;

/** The call under way for each log, or the last of those that wait. */
const latest = new WeakMap<RejectionLog, Promise<unknown>>();

/** Tries all that match the filter, oldest first. A repeat finds the accepted ones gone, or known by their dedupe key. */
export function verifyAgain(acceptor: Acceptor, filter: RejectionFilter): Promise<AgainAnswer> {
  const { rejections } = acceptor.ports;
  const before = latest.get(rejections) ?? Promise.resolve();
  // One call after the other: two at once would both commit what both have found.
  const answer = before.catch(() => undefined).then(() => tryAll(acceptor, filter));
  latest.set(rejections, answer);
  return answer;
}

async function tryAll(acceptor: Acceptor, filter: RejectionFilter): Promise<AgainAnswer> {
  const { rejections } = acceptor.ports;
  const sum = { accepted: 0, refused: 0, unverifiable: 0 };
  let cursor: string | null | undefined;
  do {
    const page = await rejections.list(filter, {
      limit: PAGE,
      oldestFirst: true,
      ...(cursor !== undefined && cursor !== null && { cursor }),
    });
    for (const { id } of page.rows) {
      const rejection = await rejections.get(id);
      if (rejection !== null) sum[await tryAgain(acceptor, rejection)]++;
    }
    ({ cursor } = page);
  } while (cursor !== null);
  return { ...sum, refused: sum.refused + sum.unverifiable };
}

async function tryAgain(acceptor: Acceptor, rejection: Rejection): Promise<keyof AgainAnswer> {
  const intake = acceptor.named(rejection.source);
  if (intake === undefined || !rejection.verifiable) return 'unverifiable';
  const { method, path, query, headers, body, remoteAddress, receivedAt } = rejection;
  const request = { method, url: query === '' ? path : `${path}?${query}`, headers, body, remoteAddress };
  if (!(await acceptor.acceptAgain(intake, request, receivedAt))) return 'refused';
  await acceptor.ports.rejections.delete([rejection.id]);
  return 'accepted';
}
