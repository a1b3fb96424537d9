import { GpuError } from "../errors.ts";
import { type Kind, statOf } from "./files.ts";
import { isPartName } from "./part.ts";
import { listMark } from "./far-scripts.ts";
import type { Found, Listing } from "./listing.ts";
import { type Bytes, bytesFrom, folderOf } from "./names.ts";

/** What a machine can do, and the tree that is there. */
export interface ReadListing {
  /** `missing`: no such folder. `other`: it is no folder. `none`: nothing there tells what a folder holds. */
  readonly kind: "gnu" | "stat" | "missing" | "other" | "none";
  readonly tools: ReadonlySet<string>;
  readonly listing: Listing;
  readonly odd: readonly Bytes[];
}

/** Reads what `listCommand` prints, as it comes. */
export class ListingReader {
  readonly #odd: Bytes[] = [];
  readonly #found = new Map<Bytes, Found>();
  #head: { kind: ReadListing["kind"]; tools: Set<string> } | undefined;
  #rest = "";
  /** Tokens that belong together and are not whole yet. */
  #waiting: Bytes[] = [];
  #stats: string[] = [];
  #isAtLinks = false;

  push(chunk: Uint8Array): void {
    const text = this.#rest + bytesFrom(chunk);
    let at = 0;
    for (let end = text.indexOf("\0"); end >= 0; end = text.indexOf("\0", at)) {
      this.#take(text.slice(at, end));
      at = end + 1;
    }
    this.#rest = text.slice(at);
    if (this.#head === undefined && this.#rest.length > longestGreeting) throw notOurs();
  }

  /** It is our own script that answers. */
  get hasBegun(): boolean {
    return this.#head !== undefined;
  }

  /** Undefined where no shell of the usual kind answered. */
  end(): ReadListing | undefined {
    if (this.#head === undefined) return undefined;
    return { ...this.#head, odd: this.#odd, listing: wholeTree(this.#found) };
  }

  #take(token: Bytes): void {
    if (this.#head === undefined) {
      // A start-up file may have printed something before it.
      const at = token.lastIndexOf(`${listMark} `);
      if (at < 0) throw notOurs();
      const [kind = "", ...tools] = token.slice(at + listMark.length + 1).split(" ");
      if (!isKind(kind)) throw notOurs();
      this.#head = { kind, tools: new Set(tools) };
    } else if (this.#head.kind === "gnu") {
      this.#waiting.push(token);
      if (this.#waiting.length === 2) this.#takeGnu(this.#waiting[0] ?? "", this.#waiting[1] ?? "");
    } else if (this.#isAtLinks) {
      this.#waiting.push(token);
      if (this.#waiting.length === 2) this.#takeLink(this.#waiting[0] ?? "", this.#waiting[1] ?? "");
    } else if (this.#waiting.length > 0 || this.#stats.length > 0) {
      this.#takeName(token);
    } else if (token === "") {
      this.#isAtLinks = true;
    } else {
      this.#stats = token.split("\n").toReversed();
    }
  }

  #takeGnu(line: Bytes, target: Bytes): void {
    this.#waiting = [];
    const parts = /^(\S) ([0-7]+) (\d+) (-?\d+)[^ ]* ([^]+)$/.exec(line);
    if (!parts) throw notOurs();
    const [, type = "", mode = "", bytes = "", mtime = "", path = ""] = parts;
    const kind = kinds[type] ?? "other";
    const stat = { kind, mode: Number.parseInt(mode, 8) & 0o777, bytes: Number(bytes), mtime: Number(mtime) };
    this.#keep(path, kind === "link" ? { ...stat, target } : stat);
  }

  #takeName(name: Bytes): void {
    const stat = /^([0-9a-f]+):(\d+):(-?\d+)$/i.exec(this.#stats.pop() ?? "");
    if (!stat) throw notOurs();
    const [, mode = "", bytes = "", mtime = ""] = stat;
    this.#keep(name.replace(/^\.\//, ""), statOf(Number.parseInt(mode, 16), Number(bytes), Number(mtime)));
  }

  #takeLink(name: Bytes, target: Bytes): void {
    this.#waiting = [];
    const path = name.replace(/^\.\//, "");
    const found = this.#found.get(path);
    // `readlink` ends its line, and the `x` keeps the line's end.
    if (found?.kind === "link") this.#found.set(path, { ...found, target: target.replace(/\n?x$/, "") });
  }

  #keep(path: Bytes, found: Found): void {
    if (path === "." || isPartName(path.slice(path.lastIndexOf("/") + 1))) return;
    if (found.kind === "other") this.#odd.push(path);
    else this.#found.set(path, found);
  }
}

/** What comes before the listing may have so many characters: a message of the day. */
const longestGreeting = 64 * 1024;

/** The letters of `find`. */
const kinds: Readonly<Record<string, Kind>> = { f: "file", d: "folder", l: "link" };

function isKind(text: string): text is ReadListing["kind"] {
  return ["gnu", "stat", "missing", "other", "none"].includes(text);
}

/** Each folder before what is in it. A name that leads elsewhere, or has no folder to be in, is an attack or a mistake. */
function wholeTree(found: ReadonlyMap<Bytes, Found>): Listing {
  const listing: Listing = new Map();
  for (const path of [...found.keys()].toSorted()) {
    const here = found.get(path);
    if (here === undefined) continue;
    if (path.split("/").some((part) => part === "" || part === "." || part === "..")) throw notOurs();
    const folder = folderOf(path);
    if (folder !== "." && found.get(folder)?.kind !== "folder") {
      // It came and went while the folder was listed.
      if (found.has(folder)) throw notOurs();
      continue;
    }
    listing.set(path, here);
  }
  return listing;
}

/** Something else answered than our script, or the machine is not honest. */
export class UnreadableListing extends GpuError {
  override name = "UnreadableListing";
}

function notOurs(): UnreadableListing {
  return new UnreadableListing("the machine's list of files cannot be read", {
    hint: "does its login run something else than the command? `gpu exec` shows it",
  });
}
