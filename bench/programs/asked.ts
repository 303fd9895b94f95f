/** A program that does what its parent asks, one thing at a time, and answers with JSON. */

/** What is asked: a name and its arguments. */
export interface Asked {
  readonly what: string;
  readonly with: unknown;
}

export type Work = Readonly<Record<string, (given: never) => unknown>>;

export function answerTo(work: Work): void {
  process.on('disconnect', () => process.exit(1));
  process.on('message', ({ what, with: given }: Asked) => {
    const answer = async (): Promise<void> => {
      const made: unknown = await work[what]?.(given as never);
      process.send?.({ made: made ?? null });
    };
    void answer();
  });
  process.send?.({ made: 'ready' });
}
