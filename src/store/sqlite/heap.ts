/** A heap of numbers, the lowest first. What it holds are hints: whoever takes one checks it. */
export class NumberHeap {
  readonly #numbers: number[] = [];

  get size(): number {
    return this.#numbers.length;
  }

  peek(): number | undefined {
    return this.#numbers[0];
  }

  push(number: number): void {
    const numbers = this.#numbers;
    let at = numbers.length;
    numbers.push(number);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = numbers[above] ?? 0;
      if (parent <= number) break;
      numbers[at] = parent;
      at = above;
    }
    numbers[at] = number;
  }

  pop(): number | undefined {
    const numbers = this.#numbers;
    const top = numbers[0];
    const last = numbers.pop();
    if (top === undefined || last === undefined || numbers.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const right = numbers[child + 1];
      if (right !== undefined && right < (numbers[child] ?? 0)) child++;
      const lower = numbers[child];
      if (lower === undefined || lower >= last) break;
      numbers[at] = lower;
      at = child;
    }
    numbers[at] = last;
    return top;
  }
}
