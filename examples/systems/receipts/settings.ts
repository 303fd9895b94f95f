/** What the programs are told by their environment. */

/** @throws Error naming the variable that is missing */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`Set ${name}.`);
  return value;
}

/** @throws Error when it is set, and not to a whole number in these bounds */
export function wholeNumber(name: string, { unset, min }: { readonly unset: number; readonly min: number }): number {
  const value = Number(process.env[name] ?? unset);
  if (Number.isInteger(value) && value >= min) return value;
  throw new Error(`${name}: expected a whole number from ${min}, got '${process.env[name]}'.`);
}
