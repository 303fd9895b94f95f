/** Several observers behind one. */
import { type Observer, silentObserver } from '../core/observer.ts';

/** What an observer of only some things gives: the rest is not even called. */
export type PartialObserver = Partial<Observer>;

/**
 * One observer that tells each of these, in order. A method that none of them has costs an empty call; one that throws
 * is reported once as a process warning and never reaches the code that was observed.
 */
export function combineObservers(...observers: readonly PartialObserver[]): Observer {
  const warned = new Set<string>();
  const failed = (method: string, error: unknown): void => {
    if (warned.has(method)) return;
    warned.add(method);
    process.emitWarning(`An observer of '${method}' failed: ${String(error)}`, 'HoldfastWarning');
  };
  return {
    received: combine(observers, 'received', failed),
    answered: combine(observers, 'answered', failed),
    rejected: combine(observers, 'rejected', failed),
    accepted: combine(observers, 'accepted', failed),
    queued: combine(observers, 'queued', failed),
    duplicate: combine(observers, 'duplicate', failed),
    committed: combine(observers, 'committed', failed),
    commitFailed: combine(observers, 'commitFailed', failed),
    attemptStarted: combine(observers, 'attemptStarted', failed),
    attemptEnded: combine(observers, 'attemptEnded', failed),
    died: combine(observers, 'died', failed),
    breaker: combine(observers, 'breaker', failed),
    rested: combine(observers, 'rested', failed),
    loopBlocked: combine(observers, 'loopBlocked', failed),
    note: combine(observers, 'note', failed),
  };
}

/** Four parameters cover every method; passing some too many costs nothing, collecting them in an array does. */
// oxlint-disable-next-line max-params -- as many as a method of Observer has
type Told = (a?: unknown, b?: unknown, c?: unknown, d?: unknown) => void;

function combine<Method extends keyof Observer>(
  observers: readonly PartialObserver[],
  method: Method,
  failed: (method: string, error: unknown) => void,
): Observer[Method] {
  const told: Told[] = [];
  for (const observer of observers) {
    const tell = observer[method];
    // Every method of an Observer takes at most four values and answers none.
    if (tell !== undefined && tell !== silentObserver[method]) told.push((tell as Told).bind(observer));
  }
  if (told.length === 0) return silentObserver[method];
  // oxlint-disable-next-line max-params -- as many as a method of Observer has; rest parameters would make an array
  const combined: Told = (a, b, c, d) => {
    for (let index = 0; index < told.length; index++) {
      try {
        told[index]?.(a, b, c, d);
      } catch (error) {
        failed(method, error);
      }
    }
  };
  return combined;
}
