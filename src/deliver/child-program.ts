/** How the program of a thread or process is started: its file, and the options of Node it takes over. */

/** `child-main` as it runs here: TypeScript in the repository, JavaScript when it was built. */
export function childProgram(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './child-main.ts' : './child-main.js', import.meta.url);
}

/** Node's own options that belong to this process alone: an inspector's port, and a program given as text. */
const OWN = /^(?:--(?:inspect|watch|test|input-type|eval|print)\b.*|-e|-pe?)$/;
const OWN_WITH_VALUE = /^(?:--input-type|--eval|--print|-e|-pe?)$/;

/** The options this process runs with, so that TypeScript and conditions work alike in the child. */
export function childExecArgv(execArgv: readonly string[]): string[] {
  return execArgv.filter((arg, index) => !OWN.test(arg) && !OWN_WITH_VALUE.test(execArgv[index - 1] ?? ''));
}

/** Heap limits are given in whole mebibytes. */
export function wholeMiB(bytes: number): number {
  return Math.max(1, Math.round(bytes / 1_048_576));
}
