/** The candidates that a mistyped word most probably meant, best first; empty when none is near. */
export function suggest(word: string, candidates: readonly string[]): string[] {
  const limit = word.length <= 3 ? 1 : word.length <= 6 ? 2 : 3;
  const near = candidates
    .map((candidate) => ({ candidate, distance: distance(word, candidate) }))
    .filter(({ candidate, distance }) => distance <= limit || (word.length > 2 && candidate.startsWith(word)));
  const best = Math.min(...near.map(({ distance }) => distance));
  return near.filter(({ distance }) => distance === best).map(({ candidate }) => candidate);
}

/** Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
        ? (beforeLast[column - 2] ?? 0) + 1
        : Infinity;
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
        swapped,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? 0;
}

/** `did you mean …?` as a hint, or undefined when nothing is near. `show` puts the word into its context. */
export function didYouMean(
  word: string,
  candidates: readonly string[],
  show: (word: string) => string,
): string | undefined {
  const found = suggest(word, candidates);
  return found.length === 0
    ? undefined
    : `did you mean ${found.map((candidate) => `\`${show(candidate)}\``).join(" or ")}?`;
}
