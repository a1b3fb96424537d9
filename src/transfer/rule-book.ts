import { IgnoredBelow, ignoreFiles, parseRules, type Rules } from "./ignored.ts";
import { type Bytes, folderOf, toBytes } from "./names.ts";

/** What is left out of a tree: what `--exclude` says, then the ignore files from the deepest up, then `.git`. */
export class RuleBook {
  readonly #first: readonly Rules[];
  readonly #last: readonly Rules[];
  readonly #own = new Map<Bytes, Rules[]>();
  readonly #chains = new Map<Bytes, readonly Rules[]>();
  readonly #below = new IgnoredBelow((folder) => this.rulesIn(folder));

  /** `outer`: the rules of folders around the tree, the nearest first. */
  constructor({ exclude, outer = [] }: { exclude: readonly string[]; outer?: readonly Rules[] }) {
    this.#first = exclude.length === 0 ? [] : [parseRules(toBytes(exclude.join("\n")), "")];
    this.#last = [...outer, parseRules(".git\n", "")];
  }

  /** Takes the content of a folder's ignore files, in the order of `ignoreFiles`. `folder` is "." for the root. */
  add(folder: Bytes, contents: readonly Bytes[]): void {
    const base = folder === "." ? "" : `${folder}/`;
    // The later file has the last word.
    this.#own.set(folder, contents.map((content) => parseRules(content, base)).toReversed());
  }

  /** The rules for names in a folder, the one with the last word first. */
  rulesIn(folder: Bytes): readonly Rules[] {
    const known = this.#chains.get(folder);
    if (known) return known;
    const own = this.#own.get(folder) ?? [];
    const chain = folder === "."
      ? [...this.#first, ...own, ...this.#last]
      : own.length === 0
      ? this.rulesIn(folderOf(folder))
      : [...this.#first, ...own, ...this.rulesIn(folderOf(folder)).slice(this.#first.length)];
    this.#chains.set(folder, chain);
    return chain;
  }

  /** Whether something is left out, wherever it is. */
  leavesOut(path: Bytes, isFolder: boolean): boolean {
    return this.#below.has(path, isFolder);
  }
}

/** The ignore files of a folder, of the names in it, in the order in which they count. */
export function ignoreFilesAmong(names: ReadonlySet<Bytes>): readonly string[] {
  return ignoreFiles.filter((name) => names.has(name));
}
