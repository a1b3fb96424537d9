import { quoteWord } from "../quote.ts";
import { leftMark } from "./far-scripts.ts";
import { type Bytes, folderOf } from "./names.ts";

/** In the folder that is unpacked in: what is moved, as it is to be below the target. */
export const stagedFolder = "t";
/** In the same: an archive of folders, with their permissions and times, and one of hard links to what was unpacked. */
export const foldersName = "folders";
export const linksName = "links";

interface Plan {
  /** Files and links, all of them unpacked by now. */
  readonly packed: readonly Bytes[];
  isFile(path: Bytes): boolean;
  /** Folders that are there already; those that become there are added. */
  readonly present: Set<Bytes>;
  readonly hasFolders: boolean;
}

/** The arguments of one program may have so many characters, and any system takes them. */
const argumentsLength = 64 * 1024;
/** To so many folders a program of its own moves files; to more, one `tar` links them all, where links can be made. */
const mostMovers = 16;

/**
 * A script for sh, started in the target with the name of the folder that was unpacked in. A folder that is new moves
 * with all that is in it, files go by name to those that are there. Whatever moves takes the place of what was there
 * at once and whole. What cannot be moved stays out alone, and its name is printed, with `leftMark` before the first.
 */
export function placePlan({ packed, isFile, present, hasFolders }: Plan): { script: Bytes; linked: Bytes[] } {
  const moved = new Map<Bytes, Set<Bytes>>();
  const added = new Set<Bytes>();
  for (const path of packed) {
    let top = path;
    for (let folder = folderOf(top); folder !== "." && !present.has(folder); folder = folderOf(top)) {
      top = folder;
      added.add(folder);
    }
    const folder = folderOf(top);
    const names = moved.get(folder) ?? new Set();
    moved.set(folder, names.add(top));
  }
  for (const folder of added) present.add(folder);
  const isLinked = (names: ReadonlySet<Bytes>) => moved.size > mostMovers && [...names].every(isFile);
  const linked = [...moved.values()].flatMap((names) => isLinked(names) ? [...names] : []);
  const script = [
    "n=$1; r=0",
    ...[...moved].flatMap(([folder, names]) => isLinked(names) ? [] : moves(folder, [...names])),
    ...(linked.length > 0 ? [`[ $r != 0 ] || tar -xpof $n/${linksName} 2>/dev/null || r=1`] : []),
    // What came to be there since it was looked at is in the way of a new folder, or links cannot be made: one by one.
    `[ $r = 0 ] || { (cd $n/${stagedFolder} && ${merge}); r=$?; }`,
    ...(hasFolders ? [`[ $r != 0 ] || tar -xpof $n/${foldersName} || r=1`] : []),
    "exit $r\n",
  ].join("\n");
  return { script, linked };
}

/** One after the other, and never through a link that came to be where a folder belongs. */
const mergeEach = [
  "r=0",
  "for f do",
  '  d=${f%/*}; p=$d; while [ "$p" != . ] && [ ! -L "../../$p" ]; do p=${p%/*}; done',
  '  if [ "$p" != . ]; then echo "$p: a link is in the way" >&2',
  '  elif { [ -d "../../$d" ] || mkdir -p "../../$d"; } && mv -f "$f" "../../$d/"; then continue; fi',
  '  printf "%s\\0" "$f"; r=1',
  "done",
  "exit $r",
].join("\n");
const merge = `printf "${leftMark}\\0" && find . ! -type d -exec sh -c '${mergeEach}' sh {} +`;

function moves(folder: Bytes, names: readonly Bytes[]): string[] {
  const lines: string[] = [];
  let words: string[] = [];
  let length = 0;
  const end = () => {
    if (words.length > 0) lines.push(`mv -f ${words.join(" ")} ${quoteWord(`./${folder}/`)} 2>/dev/null || r=1`);
    words = [];
    length = 0;
  };
  for (const name of names) {
    const word = `$n/${quoteWord(`${stagedFolder}/${name}`)}`;
    if (length + word.length > argumentsLength) end();
    words.push(word);
    length += word.length;
  }
  end();
  return lines;
}
