import { resolve } from 'node:path';
import type { Gateway } from '../../gateway.ts';
import { defineCommand, gatewayOptions, type Surroundings } from '../command.ts';
import { importFile } from '../config-file.ts';
import { exitCodes } from '../exit.ts';
import { findSetup, overlay, type Setup } from '../locate.ts';
import { demoHandler, demoOptions, setupEnvironment } from '../playground.ts';
import { Story } from '../story.ts';
import { welcome } from '../welcome.ts';

/** After a graceful stop, what still keeps the process alive (a handler's own timers) gets this long. */
const LINGER_MS = 1000;
/** After the store was lost: for the 503s of what failed to go out. */
const LOST_LINGER_MS = 100;

export const start = defineCommand({
  name: 'start',
  summary: 'Runs the gateway; without a config a playground on loopback with a demo source.',
  details:
    'Ctrl-C or SIGTERM stops it gracefully: it takes no more, lets running attempts end within the grace, and exits with 0. A second one ends it at once; nothing acknowledged is lost either way.',
  options: {
    config: gatewayOptions.config,
    host: {
      type: 'text',
      value: 'ADDRESS',
      about: 'Address the ingest listener binds to, instead of the setting `host`.',
    },
    port: {
      type: 'integer',
      short: 'p',
      value: 'PORT',
      about: 'Its port, instead of the setting `port`; 0 picks a free one.',
    },
    'admin-port': {
      type: 'integer',
      value: 'PORT',
      about: 'Port of its own for the admin API, instead of the setting `adminPort`.',
    },
    store: {
      type: 'text',
      value: 'STORE',
      about:
        'Where events are committed (sqlite:PATH, postgres://…, mongodb://… or memory:), instead of the setting `store`.',
    },
    role: {
      type: 'text',
      value: 'ROLE',
      about: 'What this process does (all, gateway or worker), instead of the setting `role`.',
    },
    queue: { type: 'text', value: 'QUEUE', about: 'What tells workers of work, instead of the setting `queue`.' },
    'log-level': { type: 'text', value: 'LEVEL', about: 'Instead of the setting `logLevel`.' },
    drain: { type: 'flag', about: 'At the stop, works off what is ready first, within the grace.' },
  },
  examples: ['holdfast start', 'holdfast start --config ops/holdfast.config.ts --port 8080'],
  async run(invocation) {
    const { options } = invocation;
    const environment = overlay(invocation.environment, {
      HOLDFAST_HOST: options.host,
      HOLDFAST_PORT: options.port?.toString(),
      HOLDFAST_ADMIN_PORT: options['admin-port']?.toString(),
      HOLDFAST_STORE: options.store,
      HOLDFAST_ROLE: options.role,
      HOLDFAST_QUEUE: options.queue,
      HOLDFAST_LOG_LEVEL: options['log-level'],
    });
    const setup = await findSetup({ ...invocation, environment }, options.config);
    const surroundings = { ...invocation, environment };
    const lost = Promise.withResolvers<number>();
    const gateway = await build(setup, surroundings, () => lost.resolve(exitCodes.lost.code));
    const signalled = firstSignal(surroundings);
    const listeners = await gateway.listen();
    welcome({ gateway, listeners, setup, surroundings, sources: gateway.sources() });
    const stopped = async (): Promise<number> => {
      await signalled;
      await gateway.stop({ drain: options.drain });
      return exitCodes.ok.code;
    };
    const code = await Promise.race([stopped(), lost.promise]);
    setTimeout(() => process.exit(code), code === exitCodes.lost.code ? LOST_LINGER_MS : LINGER_MS).unref();
    return code;
  },
});

async function build(setup: Setup, surroundings: Surroundings, onFatal: () => void): Promise<Gateway> {
  const { Gateway } = await import('../../gateway.ts');
  const environment = setupEnvironment(setup, surroundings.environment, true);
  const { config, directory, file } = setup;
  if (file !== null) {
    // Imported here first, for an error that says which file is meant; the gateway finds it loaded.
    if (config.handlers !== undefined) await importFile(resolve(directory, config.handlers));
    return new Gateway(config, { directory, environment, onFatal });
  }
  const { StreamHub } = await import('../../observe/stream.ts');
  const { systemClock } = await import('../../gateway/clock.ts');
  const story = new Story(surroundings.out);
  const hub = new StreamHub(systemClock);
  hub.watch((occurrence) => story.tell(occurrence));
  const gateway = new Gateway(config, { directory, environment, onFatal, observer: hub.observer });
  gateway.handle('demo-handler', demoOptions, demoHandler());
  return gateway;
}

/** One Ctrl-C can arrive twice: from the terminal, and from the npm or npx in between. */
const SAME_SIGNAL_MS = 250;

/** Resolves at the first signal, also one that comes while the gateway starts; a second one ends the process. */
function firstSignal({ out }: Surroundings): Promise<void> {
  return new Promise((resolve) => {
    let first: { readonly code: number; readonly at: number } | null = null;
    const stop = (code: number): void => {
      const now = performance.now();
      if (first?.code === code && now - first.at < SAME_SIGNAL_MS) return;
      if (first !== null) process.exit(code);
      first = { code, at: now };
      out.note('Stopping; once more ends it at once.');
      resolve();
    };
    process.on('SIGINT', () => stop(exitCodes.interrupted.code));
    process.on('SIGTERM', () => stop(exitCodes.terminated.code));
  });
}
