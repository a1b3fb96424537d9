/** Jobs that wait for their turn: one of each user in turn, and those of a user in the order they came. */
export class FairQueue {
  readonly #waiting = new Map<string, Set<string>>();
  /** When each user had a turn last, counted in turns. */
  readonly #served = new Map<string, number>();
  #turns = 0;

  /** `isFirst`: before the user's others, for a job that had its turn and could not use it. */
  add({ id, userId, isFirst = false }: { id: string; userId: string; isFirst?: boolean }): void {
    const own = this.#waiting.get(userId);
    if (own && !isFirst) own.add(id);
    else this.#waiting.set(userId, new Set([id, ...own ?? []]));
  }

  /** Takes the job whose turn it is out of the queue: of the user who had none for the longest time. */
  next(): string | undefined {
    let chosen: string | undefined;
    for (const userId of this.#waiting.keys()) {
      if (chosen === undefined || this.#lastTurn(userId) < this.#lastTurn(chosen)) chosen = userId;
    }
    if (chosen === undefined) return undefined;
    const [id] = this.#waiting.get(chosen) ?? [];
    this.#served.set(chosen, ++this.#turns);
    if (id !== undefined) this.#take(chosen, id);
    return id;
  }

  /** Returns false for a job that does not wait. */
  remove(id: string): boolean {
    return [...this.#waiting.keys()].some((userId) => this.#take(userId, id));
  }

  #take(userId: string, id: string): boolean {
    const own = this.#waiting.get(userId);
    if (!own?.delete(id)) return false;
    if (own.size === 0) this.#waiting.delete(userId);
    return true;
  }

  #lastTurn(userId: string): number {
    return this.#served.get(userId) ?? 0;
  }
}
