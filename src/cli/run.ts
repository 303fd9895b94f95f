/** Runs a command line: finds the command, reads its options, says what went wrong. */
import { didYouMean } from '../core/suggest.ts';
import { HoldfastError } from '../errors.ts';
import { RELEASE } from '../gateway/release.ts';
import type { Command, Surroundings } from './command.ts';
import { commands } from './commands.ts';
import { exitCodeOf, exitCodes, UsageError } from './exit.ts';
import { actionOf } from './finding.ts';
import { commandHelp, programHelp } from './help.ts';
import { parseCommand } from './parse.ts';

/** Runs the command of `args` (without the program's name). Never throws: answers the exit code. */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    return await dispatch(args, surroundings);
  } catch (error) {
    report(error, surroundings, args.includes('--json'));
    return exitCodeOf(error);
  }
}

async function dispatch(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    surroundings.out.line(programHelp(commands));
    return first === undefined ? exitCodes.usage.code : exitCodes.ok.code;
  }
  if (first === '--version' || first === '-v' || first === 'version') {
    surroundings.out.line(RELEASE);
    return exitCodes.ok.code;
  }
  const command = findCommand(first === 'help' ? (rest[0] ?? '') : first);
  const { options, positionals, help } = parseCommand(command, first === 'help' ? ['--help'] : rest, Date.now());
  if (help) {
    surroundings.out.line(commandHelp(command));
    return exitCodes.ok.code;
  }
  return command.run({ ...surroundings, options: options as never, positionals });
}

function findCommand(name: string): Command {
  const command = commands.find((one) => one.name === name);
  if (command !== undefined) return command;
  const names = commands.map((one) => one.name);
  throw new UsageError(`There is no command '${name}'.${didYouMean(name, names)} holdfast --help lists them.`);
}

/** What went wrong and what to do, on standard error; as JSON where JSON was asked for. */
function report(error: unknown, { out }: Surroundings, json: boolean): void {
  const { code, message, action } = explain(error);
  if (json) {
    out.note(JSON.stringify({ error: { code, message, action } }));
    return;
  }
  out.note(`${out.paintNote('red', 'holdfast:')} ${message}${code === 'usage' ? '' : ` [${code}]`}`);
  if (action !== '') out.note(`  ${action}`);
  if (code === 'internal' && error instanceof Error) out.note(out.paintNote('dim', error.stack ?? ''));
}

function explain(error: unknown): { readonly code: string; readonly message: string; readonly action: string } {
  if (error instanceof UsageError) return { code: 'usage', message: error.message, action: '' };
  if (error instanceof HoldfastError) return { code: error.code, message: error.message, action: actionOf(error) };
  // A wrong option of a handler or a policy: it names the option itself.
  if (error instanceof TypeError) return { code: 'internal', message: error.message, action: '' };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message, action: '' };
}
