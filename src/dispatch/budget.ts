/** The memory for events that wait for their attempt: one budget for the process. */
export class HandOffBudget {
  readonly #max: number;
  #used = 0;

  constructor(bytesMax: number) {
    this.#max = bytesMax;
  }

  get left(): number {
    return Math.max(0, this.#max - this.#used);
  }

  /** Takes bytes if there are enough. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#max) return false;
    this.#used += bytes;
    return true;
  }

  /** Takes bytes in any case: what was claimed is in memory. */
  hold(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
