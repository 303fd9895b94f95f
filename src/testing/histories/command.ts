/** Histories as data: numbers become commands, so that whatever shrinks numbers shrinks a history. */

/** What a step of a history does. The first twelve are rows of a commit. */
export type CommandName =
  | 'append'
  | 'start'
  | 'settle'
  | 'release'
  | 'replay'
  | 'resolve'
  | 'bury'
  | 'cancel'
  | 'rename'
  | 'document'
  | 'claim'
  | 'claimIds'
  | 'renew'
  | 'purge'
  | 'advance'
  | 'again'
  | 'interrupt'
  | 'crash'
  | 'close';

/** One step. What its draws mean depends on what there is when it runs, so any list of commands is a history. */
export interface HistoryCommand {
  readonly name: CommandName;
  /** A row that waits for the next one and is committed in one batch with it. */
  readonly joins: boolean;
  readonly draws: readonly number[];
}

const weights: Readonly<Record<CommandName, number>> = {
  append: 14,
  claim: 16,
  settle: 14,
  advance: 7,
  start: 4,
  release: 3,
  replay: 5,
  resolve: 2,
  bury: 1,
  cancel: 2,
  rename: 1,
  document: 2,
  claimIds: 2,
  renew: 2,
  purge: 2,
  again: 2,
  interrupt: 2,
  crash: 3,
  close: 1,
};

const names = (Object.keys(weights) as CommandName[]).flatMap((name) => Array<CommandName>(weights[name]).fill(name));

/** How many numbers a command is made of, at most; fewer make a simpler one. */
export const DRAWS_PER_COMMAND = 10;

/** Makes a history of lists of natural numbers, one list a command. Smaller numbers make simpler commands. */
export function historyCommands(draws: readonly (readonly number[])[]): readonly HistoryCommand[] {
  return draws.map(([kind = 0, joins = 0, ...rest]) => ({
    name: names[kind % names.length] ?? 'append',
    joins: joins % 4 === 3,
    draws: rest,
  }));
}

/** Draws for {@link historyCommands} from a seed; the same seed makes the same history. */
export function historyDraws(seed: number, length: number): readonly (readonly number[])[] {
  let state = seed >>> 0;
  // Mulberry32, by Tommy Ettinger, in the public domain.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return Array.from({ length }, () => Array.from({ length: DRAWS_PER_COMMAND }, next));
}

/** The draws of one command, taken one by one. */
export class Dice {
  readonly #draws: readonly number[];
  #at = 0;

  constructor(draws: readonly number[]) {
    this.#draws = draws;
  }

  /** A number from 0 to `sides` - 1. When the draws are used up it is mixed from them: all 0 stays 0. */
  roll(sides: number): number {
    const at = this.#at++;
    const draw = this.#draws[at] ?? this.#draws.reduce((sum, one) => (sum + Math.imul(one, at * 2 + 1)) >>> 0, 0) >>> 5;
    return draw % Math.max(1, sides);
  }

  /** One of these, or `undefined` when there is none. */
  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.roll(items.length)];
  }

  /** One of these; there is at least one. */
  of<Item>(...items: readonly [Item, ...Item[]]): Item {
    return this.pick(items) ?? items[0];
  }
}
