import { checkRuntime, checkSetup } from '../checks.ts';
import { defineCommand, gatewayOptions, jsonOption, type Surroundings } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { failed, type Finding } from '../finding.ts';
import { findSetup, type Setup } from '../locate.ts';
import { type Output, plain } from '../output.ts';
import { checkClock } from '../store-checks.ts';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Checks runtime, config, secrets, store, durability, clock, disk and port; exits with 1 when one fails.',
  options: { config: gatewayOptions.config, json: jsonOption },
  examples: ['holdfast doctor', 'holdfast doctor --json'],
  async run(invocation) {
    const { options, out } = invocation;
    const findings = [
      ...checkRuntime(),
      ...checkClock(Date.now()),
      ...(await setupFindings(invocation, options.config)),
    ];
    for (const finding of findings) {
      if (options.json) out.json(finding);
      else show(out, finding);
    }
    return findings.some(({ state }) => state === 'fail') ? exitCodes.failed.code : exitCodes.ok.code;
  },
});

async function setupFindings(surroundings: Surroundings, configFile: string | undefined): Promise<readonly Finding[]> {
  let setup: Setup;
  try {
    setup = await findSetup(surroundings, configFile);
  } catch (error) {
    return [failed('config', error)];
  }
  const text = setup.file ?? 'none here: `holdfast start` runs the playground';
  return [{ check: 'config', state: 'ok', text }, ...(await checkSetup(setup, surroundings))];
}

function show(out: Output, { check, state, text, action }: Finding): void {
  out.line(`${out.paint(COLOURS[state], state.padEnd(5))} ${check.padEnd(11)} ${plain(text)}`);
  if (action !== undefined) out.line(`${' '.repeat(18)}${out.paint('dim', action)}`);
}
