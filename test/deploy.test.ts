/** What lies in deploy/ names only what there is: settings, routes, ports, roles, files. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { healthRoutes } from '../src/api/health.ts';
import { resolveConfig } from '../src/config.ts';
import { parseDuration } from '../src/core/duration.ts';
import { settings } from '../src/settings.ts';
import { program, testNeeding } from './require.ts';

const deploy = join(import.meta.dirname, '..', 'deploy');
const known = new Set<string>([...Object.values(settings).map(({ env }) => env), 'HOLDFAST_URL']);
const yaml = ['compose.yaml', ...readdirSync(join(deploy, 'kubernetes')).map((name) => join('kubernetes', name))];
const all = ['Dockerfile', 'holdfast.service', ...yaml];

function read(name: string): string {
  return readFileSync(join(deploy, name), 'utf8');
}

const labels = z.record(z.string(), z.string());
const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const composeShape = z.object({ services: z.record(z.string(), z.object({ environment: labels.optional() })) });
const deploymentShape = z.object({
  spec: z.object({
    selector: z.object({ matchLabels: labels }),
    template: z.object({
      metadata: z.object({ labels }),
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        containers: z.tuple([
          z.object({
            env: z.array(z.object({ name: z.string(), value: z.string() })),
            ports: z.array(z.object({ name: z.string(), containerPort: z.number() })),
            startupProbe: probe,
            livenessProbe: probe,
            readinessProbe: probe,
          }),
        ]),
      }),
    }),
  }),
});
const serviceShape = z.object({ kind: z.literal('Service'), spec: z.object({ selector: labels }) });
const budgetShape = z.object({
  kind: z.literal('PodDisruptionBudget'),
  spec: z.object({ selector: z.object({ matchLabels: labels }) }),
});
const roles = ['gateway', 'worker'] as const;

/** The documents of a file, of which every key is there once and every alias leads somewhere. */
function parsed(name: string): readonly unknown[] {
  return parseAllDocuments(read(name), { merge: true, uniqueKeys: true }).map((document) => {
    assert.deepEqual(document.errors, [], name);
    assert.deepEqual(document.warnings, [], name);
    return document.toJS() as unknown;
  });
}

function deployment(role: (typeof roles)[number]) {
  const { spec } = deploymentShape.parse(parsed(`kubernetes/${role}.yaml`)[0]);
  const { containers, ...pod } = spec.template.spec;
  return {
    spec,
    pod,
    container: containers[0],
    env: new Map(containers[0].env.map(({ name, value }) => [name, value])),
  };
}

describe('what is in deploy/', () => {
  test('names no setting that there is not', () => {
    for (const name of all) {
      for (const [variable] of read(name).matchAll(/\bHOLDFAST_[A-Z_]+\b/g))
        assert.ok(known.has(variable), `${name}: ${variable}`);
    }
  });

  test('is YAML that can be read, and the values of settings are good ones', () => {
    const { services } = composeShape.parse(parsed('compose.yaml')[0]);
    const environments = [
      ...['gateway', 'worker'].map((name) => new Map(Object.entries(services[name]?.environment ?? {}))),
      ...roles.map((role) => deployment(role).env),
    ];
    for (const environment of environments) {
      assert.ok(roles.some((role) => role === environment.get('HOLDFAST_ROLE')));
      // What a shell or Compose fills in is given nothing.
      resolveConfig({ sources: {} }, (name) => environment.get(name)?.replaceAll(/\$\{\w+:[^}]*\}/g, ''));
    }
    assert.equal(environments.length, 4);
  });

  test('gives a process longer to stop than it takes', () => {
    const stopS = (drain = ''): number =>
      (Number(parseDuration(drain)) + Number(parseDuration(settings.graceMs.default))) / 1000;
    for (const role of roles) {
      const { pod, env } = deployment(role);
      assert.ok(pod.terminationGracePeriodSeconds > stopS(env.get('HOLDFAST_DRAIN_DELAY')), role);
    }
    const drain = /HOLDFAST_DRAIN_DELAY: (\S+)/.exec(read('compose.yaml'))?.[1];
    assert.ok(Number(/stop_grace_period: (\d+)s/.exec(read('compose.yaml'))?.[1]) > stopS(drain));
    assert.ok(Number(/TimeoutStopSec=(\d+)/.exec(read('holdfast.service'))?.[1]) > stopS('0s'));
  });

  test('asks only routes that are there, on ports that the image opens', () => {
    const image = read('Dockerfile');
    const admin = Number(/HOLDFAST_ADMIN_PORT=(\d+)/.exec(image)?.[1]);
    const ingest = Number(settings.port.default);
    assert.match(image, new RegExp(`^EXPOSE ${ingest} ${admin}$`, 'm'));
    assert.match(image, /HEALTHCHECK[\s\S]*\/ready/);
    const paths = new Set(healthRoutes.map(({ path }) => path));
    for (const role of roles) {
      const { startupProbe, livenessProbe, readinessProbe, ports } = deployment(role).container;
      assert.equal(ports.find(({ name }) => name === 'admin')?.containerPort, admin);
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
        assert.ok(paths.has(httpGet.path), httpGet.path);
        assert.equal(httpGet.port, 'admin');
      }
      assert.equal(readinessProbe.httpGet.path, '/ready');
      // A store that is down is no reason to end the process.
      assert.equal(livenessProbe.httpGet.path, '/health');
    }
    assert.match(read('compose.yaml'), new RegExp(`:${ingest}'`));
  });

  test('selects the pods that it makes', () => {
    const [, service, ...budgets] = parsed('kubernetes/common.yaml');
    for (const role of roles) {
      const { spec, env } = deployment(role);
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
      assert.equal(env.get('HOLDFAST_ROLE'), role);
    }
    assert.deepEqual(serviceShape.parse(service).spec.selector, { app: 'holdfast', role: 'gateway' });
    const kept = budgets.map((budget) => budgetShape.parse(budget).spec.selector.matchLabels['role']);
    assert.deepEqual(kept, [...roles]);
  });

  test('copies into the image what the package has', () => {
    const copied = [...read('Dockerfile').matchAll(/^COPY --from=build \/build\/(\S+)/gm)].map(([, path]) => path);
    assert.deepEqual(copied, ['package.json', 'bin', 'dist', 'node_modules']);
    for (const [, path = ''] of read('Dockerfile').matchAll(/^COPY (package\.json|package-lock\.json|\.npmrc)/gm)) {
      assert.ok(existsSync(join(deploy, '..', path)), path);
    }
    assert.match(read('Dockerfile'), /^USER node$/m);
  });

  testNeeding([program('systemd-analyze', 'systemd')], 'is a unit that systemd understands', () => {
    execFileSync('systemd-analyze', ['verify', '--man=no', join(deploy, 'holdfast.service')], { stdio: 'pipe' });
    return Promise.resolve();
  });
});
