/** Writes to the audit log what a route changed: after it was done, before it is answered. */
import { stateHash } from '../core/audit.ts';
import type { AuditPort, AuditRecord } from './port.ts';
import { asHoldfastError } from './problem.ts';
import type { Change } from './route.ts';

interface Recording extends Pick<AuditRecord, 'caller' | 'by' | 'ip'> {
  readonly audit: AuditPort;
  /** `null`: the route changes nothing that is recorded. */
  readonly action: string | null;
  readonly params: unknown;
}

export class Recorder {
  readonly #recording: Recording;
  #change: Change | null | undefined;

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  /** See `Tools.changed`. */
  changed(change: Change | null): void {
    this.#change = change === null ? null : { ...this.#change, ...change };
  }

  /**
   * The answer of a route, once its change is on record: whoever gets it knows that both are durable.
   * @throws what the route throws, and what `AuditPort.append` does
   */
  async run<Answer>(answer: () => Promise<Answer>): Promise<Answer> {
    const { action } = this.#recording;
    if (action === null) return answer();
    let answered: Answer;
    try {
      answered = await answer();
    } catch (error) {
      // A part of it may be done. The caller is to hear of this error, also when the log cannot be written either.
      if (this.#change) await this.#append(action, `failed: ${asHoldfastError(error).code}`).catch(() => undefined);
      throw error;
    }
    if (this.#change !== null) await this.#append(action, this.#change?.note ?? null);
    return answered;
  }

  async #append(action: string, note: string | null): Promise<void> {
    const { audit, params, caller, by, ip } = this.#recording;
    const { target, before, after } = this.#change ?? {};
    await audit.append({
      caller,
      by,
      action,
      target: target ?? Object.values(params as Readonly<Record<string, unknown>>).join(' '),
      note,
      before: stateHash(before),
      after: stateHash(after),
      ip,
    });
  }
}
