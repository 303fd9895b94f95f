/** A gateway that sends, killed and started again, with its webhooks, its endpoints and their receiver. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { CrashReceiver } from './receiver.ts';
import { checkSending, explainSending, type Known, type SendingVerdict } from './sending-check.ts';
import { readStored } from './stored.ts';
import { Trial } from './trial.ts';
import { type Control, type Plan, SOURCE, TOKEN } from './wire.ts';

const RETRY = { kind: 'list', delaysMs: [20, 20, 20, 20], jitter: 'none' };
/** What the API answered. */
interface Answered<Body> {
  readonly status: number;
  readonly body: Body;
}

/** What every endpoint gets that is not for a kind of its own. */
export const USUAL: readonly Plan[] = ['succeed', 'slow', 'fail-once', 'reject', 'skip'];

export class SendingTrial {
  readonly trial: Trial;
  readonly receiver: CrashReceiver;
  /** Those whose maker was told that they exist. */
  readonly endpoints: Known[];
  /** Paths of those that may exist: nobody was answered. */
  readonly unknownPaths = new Set<string>();
  /** Destinations of those whose deletion was confirmed. */
  readonly gone = new Set<string>();
  readonly #ended = new Map<string, number>();
  readonly #t: TestContext;

  private constructor(t: TestContext, receiver: CrashReceiver, trial: Trial) {
    this.#t = t;
    this.receiver = receiver;
    this.trial = trial;
    this.endpoints = [{ destination: 'crm', path: '/crm', plans: new Set(USUAL), ordered: false }];
  }

  static async start(t: TestContext, controls: readonly Control[] = []): Promise<SendingTrial> {
    const receiver = await CrashReceiver.start();
    t.after(() => receiver.close());
    const program = { program: 'sending-program.ts', receiver: `${receiver.url}/crm`, controls };
    const sending = new SendingTrial(t, receiver, new Trial(t, { start: program }));
    await sending.trial.start();
    return sending;
  }

  /** Asks the API; `null`: there was no answer. */
  async call<Body>(method: string, path: string, body?: unknown): Promise<Answered<Body> | null> {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    try {
      const given = body === undefined ? {} : { body: JSON.stringify(body) };
      const response = await fetch(`${this.trial.url}${path}`, { method, headers, ...given });
      const text = await response.text();
      return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as Body };
    } catch {
      return null;
    }
  }

  /** Makes an endpoint. `null`: nobody knows whether it is there. */
  async make(path: string, plans: readonly Plan[], more: Record<string, unknown> = {}): Promise<Known | null> {
    this.unknownPaths.add(path);
    const rules = { retry: RETRY, statusRules: { fail: ['400'] } };
    const asked = { url: `${this.receiver.url}${path}`, from: [SOURCE], types: plans, ...rules, ...more };
    const made = await this.call<{ endpoint: { id: string }; secret: string }>('POST', '/api/endpoints', asked);
    if (made === null) return null;
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const { endpoint, secret } = made.body;
    const known = { destination: endpoint.id, path, plans: new Set(plans), ordered: more['ordered'] === true };
    this.receiver.secrets.set(path, secret);
    this.endpoints.push(known);
    this.unknownPaths.delete(path);
    return known;
  }

  /** Deletes an endpoint; from now on it may be there or not, and once this was answered it is not. */
  async remove(known: Known): Promise<void> {
    this.endpoints.splice(this.endpoints.indexOf(known), 1);
    this.unknownPaths.add(known.path);
    const answer = await this.call('DELETE', `/api/endpoints/${known.destination}`);
    if (answer?.status !== 204) return;
    this.unknownPaths.delete(known.path);
    this.gone.add(known.destination);
  }

  /** Notes what the API says has ended by now. */
  async look(): Promise<void> {
    const path = '/api/deliveries?state=succeeded,dead&limit=200&order=newest';
    const answer = await this.call<{ rows: { destination: string; eventId: string }[] }>('GET', path);
    for (const { destination, eventId } of answer?.body.rows ?? []) {
      const name = `${destination} ${eventId}`;
      if (!this.#ended.has(name)) this.#ended.set(name, performance.now());
    }
  }

  /** SIGKILL, and the same store again: at once, or after a start that is killed as well. */
  async killAndStart(inStartMs: number | null): Promise<void> {
    await this.trial.kill();
    await this.receiver.disconnected();
    this.receiver.run++;
    if (inStartMs !== null) {
      const starting = this.trial.launch();
      await new Promise((resolve) => setTimeout(resolve, inStartMs));
      await starting.kill();
      await this.receiver.disconnected();
      this.receiver.run++;
    }
    await this.trial.start();
  }

  /** Lets everything end, stops the gateway and compares. */
  async verdict(): Promise<SendingVerdict> {
    await this.trial.drained();
    await this.trial.stop();
    const { unknownPaths, endpoints } = this;
    const verdict = checkSending({
      sent: this.trial.client.sent,
      got: this.receiver.got,
      stored: await readStored(this.trial.path),
      endpoints,
      unknownPaths,
      ended: this.#ended,
    });
    this.#t.diagnostic(verdict.summary);
    return verdict;
  }

  /** As `verdict`, and nothing may be wrong. */
  async clean(): Promise<SendingVerdict> {
    const verdict = await this.verdict();
    assert.deepEqual(verdict.breaches, [], explainSending(verdict));
    return verdict;
  }
}
