/** The real time. Timers never keep the process alive: a running gateway does, from `start` to the end of `stop`. */
import type { Clock } from '../core/clock.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(TIMER_MAX_MS, Math.max(0, delayMs)));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
