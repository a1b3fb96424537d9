import { quoteWord } from "../quote.ts";
import type { Bytes } from "./names.ts";

/*
 * What runs on a machine. Whatever the login shell is there, it only starts `sh`: the scripts hold no single quote, no
 * newline, no `!` and no double backslash, so sh, bash, zsh, fish and csh all pass them on unchanged. Paths come over
 * stdin, never on a command line; `read` takes no byte more than its line.
 */

/** How the folder is called that a sync unpacks in; twelve hexadecimal digits follow. */
export const stagePrefix = ".gpu-sync-";
/** In it: the script that moves what is there to where it belongs. */
export const planName = "plan";

/** Goes to the folder that the first line of stdin names. */
const readFolder = [
  "LC_ALL=C; export LC_ALL; unset CDPATH TAR_OPTIONS POSIXLY_CORRECT",
  'IFS= read -r d; d=$(printf %b. "$d"); d=${d%.}; d=${d:-.}',
].join("; ");

/** The mark before what is really ours: a start-up file may have printed something. */
export const listMark = "gpu-list-1";

const listNames = 'o=$1; shift; if s=$(stat $o "$@" 2>/dev/null); then printf "%s\\0" "$s" "$@"; ' +
  'else for f do if s=$(stat $o "$f" 2>/dev/null); then printf "%s\\0" "$s" "$f"; fi; done; fi';
const listLinks = 'for f do l=$(readlink "$f"; echo x); printf "%s\\0" "$f" "$l"; done';

/**
 * A NUL behind each: `mark kind tool…`, then by kind. `gnu`: `y mode bytes mtime path` and a link's target. `stat`:
 * lines of `mode(hex):bytes:mtime` for as many names as follow, and behind an empty one the links with their targets.
 */
const listScript = [
  readFolder,
  'if [ -d "$d" ]; then cd -- "$d" || exit 3; k=none; else k=missing; if [ -e "$d" ]; then k=other; fi; fi',
  't=; for c in tar xargs sha256sum shasum; do if command -v $c >/dev/null 2>&1; then t="$t $c"; fi; done',
  'if [ $k = none ]; then if find . -prune -printf "" 2>/dev/null; then k=gnu; ' +
  "elif s=$(stat -c%f . 2>/dev/null); then k=stat; f=-c%f:%s:%Y; " +
  "elif s=$(stat -f%Xp . 2>/dev/null); then k=stat; f=-f%Xp:%z:%m; fi; fi",
  `printf "${listMark} %s%s\\0" $k "$t"`,
  'if [ $k = gnu ]; then exec find . -mindepth 1 -printf "%y %m %s %T@ %P\\0%l\\0"; fi',
  'if [ $k = stat ]; then find . -exec sh -c "$1" sh $f {} +; r=$?; printf "\\0"; find . -type l -exec sh -c "$2" sh {} +; exit $r; fi',
].join("; ");

export const listCommand = command(listScript, [listNames, listLinks]);

/**
 * Unpacks what follows on stdin, and puts it into the folder, which is made where it is missing. It is unpacked in a
 * folder of its own within that one, whose name the second line says; only when all of it is there and whole, the
 * script that came with it moves it to where it belongs. What a killed one left is removed after a day. Ends with 3
 * where the folder cannot be used, with 4 where nothing can be unpacked, and with 5 where not all got into place: the
 * script prints what did not. With 6 not all could be unpacked, and what was is still where it was unpacked: the same
 * command again, with another script, puts that in place.
 */
export const unpackCommand = command([
  `${readFolder}; IFS= read -r n; mkdir -p -- "$d" && cd -- "$d" || exit 3`,
  `for s in ${stagePrefix}*; do if [ -d "$s" ]; then find "$s" -prune -mtime +1 -exec rm -rf {} +; fi; done`,
  "[ -d $n ] || (umask 077; mkdir $n) || exit 3",
  `if (cd $n && tar -xpof -); then r=0; elif [ -f $n/${planName} ]; then exit 6; else r=4; fi`,
  `[ $r = 4 ] || sh $n/${planName} $n || r=5`,
  "rm -rf $n; exit $r",
].join("; "));

/** What stands before an archive, for the same reason. */
export const packMark = "gpu-pack-1\0";

/** Packs the names on stdin, with a NUL behind each. */
export const packCommand = command(
  `${readFolder}; cd -- "$d" || exit 3; printf "gpu-pack-1\\0"; exec xargs -0 tar -cf -`,
);

/** A line of SHA-256 for each of the names on stdin. */
export function hashCommand(tool: "sha256sum" | "shasum"): string {
  return command(`${readFolder}; cd -- "$d" || exit 3; exec xargs -0 ${tool === "shasum" ? "shasum -a 256" : tool}`);
}

/** The mark before the names that could not be dealt with; a NUL is behind it and behind each. */
export const leftMark = "gpu-left-1";

/** Removes the names on stdin, and prints those that stay behind a mark. */
export function removeCommand(what: "files" | "folders"): string {
  const remove = what === "files" ? "rm -f" : "rmdir";
  const each = `${remove} "$@" || for f do if [ -e "$f" ] || [ -L "$f" ]; then printf "%s\\0" "$f"; fi; done`;
  return command(
    `${readFolder}; cd -- "$d" || exit 3; printf "${leftMark}\\0"; exec xargs -0 sh -c "$1" sh`,
    [each],
  );
}

/** The line that says which folder is meant, each byte of it in octal. */
export function folderLine(folder: Bytes): string {
  return `${folder.replace(/[^]/g, (byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, "0")}`)}\n`;
}

function command(script: string, parameters: readonly string[] = []): string {
  for (const part of [script, ...parameters]) {
    if (/['\n!]|\\\\/.test(part)) throw new Error("a script that not every shell passes on");
  }
  return ["exec sh -c", ...[script, ...(parameters.length > 0 ? ["sh"] : []), ...parameters].map(quoteWord)].join(" ");
}
