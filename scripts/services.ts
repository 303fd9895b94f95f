/**
 * Runs the servers that Holdfast's tests, benches and drivers talk to, until Ctrl-C:
 *
 *   npm run services                  all that this machine has, or that can be installed on it
 *   npm run services -- redis nats    these
 *
 * Each is on a free port of the loopback, with its data in a temporary folder that goes with it. Prints their URLs.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kinds, startAll } from './services/all.ts';
import type { ServiceKind } from './services/kind.ts';

/** What was asked for by name; all, where nothing was. Exits where a name is unknown. */
function wanted(names: readonly string[]): readonly ServiceKind[] {
  const unknown = names.find((name) => !kinds.some((kind) => kind.name === name));
  if (unknown !== undefined) {
    console.error(`services: '${unknown}' is none of ${kinds.map(({ name }) => name).join(', ')}`);
    process.exit(2);
  }
  return names.length === 0 ? kinds : kinds.filter(({ name }) => names.includes(name));
}

/** Those that are there, after what is missing was installed, where that is possible; says how to get the others. */
function present(asked: readonly ServiceKind[]): readonly ServiceKind[] {
  if (asked.some((kind) => !kind.met())) {
    console.error('services: installing what is missing (scripts/install-tools.sh)');
    spawnSync(join(import.meta.dirname, 'install-tools.sh'), { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  for (const kind of asked) if (!kind.met()) console.error(`${kind.name}: needs ${kind.what}: ${kind.command}`);
  return asked.filter((kind) => kind.met());
}

async function main(): Promise<void> {
  const some = present(wanted(process.argv.slice(2)));
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-services-'));
  const asked = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const services = await startAll(some, directory);
  try {
    for (const service of services) console.log(`${service.name.padEnd(10)} ${service.url}`);
    if (services.length === 0) process.exitCode = 1;
    else {
      console.log('Ctrl-C stops them.');
      // Signals do not keep a process alive; the servers' pipes do.
      await asked;
    }
  } finally {
    await Promise.all(services.map((service) => service.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
