import { GpuError } from "../errors.ts";
import { oneLine } from "../safe-text.ts";
import type { Session } from "../ssh/session.ts";
import type { World } from "../world.ts";
import type { Far, FarListing } from "./far.ts";
import {
  folderLine,
  hashCommand,
  listCommand,
  packCommand,
  packMark,
  removeCommand,
  stagePrefix,
  unpackCommand,
} from "./far-scripts.ts";
import { Handover } from "./handover.ts";
import { ListingReader, type ReadListing, UnreadableListing } from "./far-listing.ts";
import { bufferOf, type Bytes, bytesFrom, shown } from "./names.ts";
import { readTar, type TarEntry } from "./tar-read.ts";

interface ShellFarOptions {
  readonly world: Pick<World, "random">;
  readonly session: Session;
  /** As people call the machine. */
  readonly name: string;
  readonly folder: Bytes;
  readonly signal: AbortSignal;
}

/** A small file that is longer is none. */
const longestSmall = 2 ** 20;

/** The tree on a machine with a shell and tar: everything is one command and one stream. */
export class ShellFar implements Far {
  readonly #options: ShellFarOptions;
  /** What the first listing found there to work with. */
  #tools: ReadonlySet<string> = new Set();
  #usable: "yes" | "no shell" | "no tar" = "no shell";

  constructor(options: ShellFarOptions) {
    this.#options = options;
  }

  /** Whether this machine can be worked with like this; known once it was listed. */
  get usable() {
    return this.#usable;
  }

  async list(): Promise<FarListing | undefined> {
    const { name, folder } = this.#options;
    const reader = new ListingReader();
    const { exitCode, said } = await this.#run(listCommand, { onStdout: (chunk) => reader.push(chunk) })
      .catch((error: unknown) => {
        // Whatever runs there is no shell of the usual kind.
        if (reader.hasBegun || !(error instanceof UnreadableListing)) throw error;
        return { exitCode: 0, said: "" };
      });
    const read: ReadListing | undefined = reader.end();
    if (read === undefined || read.kind === "none") return undefined;
    this.#tools = read.tools;
    this.#usable = read.tools.has("tar") && read.tools.has("xargs") ? "yes" : "no tar";
    if (read.kind === "missing") return undefined;
    if (read.kind === "other") throw new GpuError(`\`${name}:${shown(folder)}\` is not a folder`);
    if (exitCode === 3) throw new GpuError(`cannot enter \`${name}:${shown(folder)}\`: ${said}`);
    return { listing: read.listing, odd: read.odd, warnings: exitCode === 0 || said === "" ? [] : [said] };
  }

  async readSmall(paths: readonly Bytes[]): Promise<Map<Bytes, Bytes>> {
    const contents = new Map<Bytes, Bytes>();
    for await (const { path, type, bytes, content } of this.fetch(paths)) {
      if (type !== "file" || bytes > longestSmall) continue;
      const parts: Buffer[] = [];
      for await (const part of content()) parts.push(part);
      contents.set(path, bytesFrom(Buffer.concat(parts)));
    }
    return contents;
  }

  async hashes(paths: readonly Bytes[]): Promise<Map<Bytes, string>> {
    const tool = this.#tools.has("sha256sum") ? "sha256sum" : this.#tools.has("shasum") ? "shasum" : undefined;
    if (tool === undefined) {
      throw new GpuError(`\`${this.#options.name}\` has neither sha256sum nor shasum`, {
        hint: "without `--checksum` size and time decide",
      });
    }
    // A name with a newline would take a line that is another's.
    const asked = paths.filter((path) => !path.includes("\n"));
    if (asked.length === 0) return new Map();
    let text = "";
    await this.#run(hashCommand(tool), { ahead: names(asked), onStdout: (chunk) => void (text += bytesFrom(chunk)) });
    const lines = text.split("\n").flatMap((line) => /^\\?([0-9a-f]{64}) [ *]\.\/([^]*)$/.exec(line) ?? []);
    const found = new Map<Bytes, string>();
    for (let at = 0; at + 2 < lines.length; at += 3) found.set(lines[at + 2] ?? "", lines[at + 1] ?? "");
    return found;
  }

  async remove(files: readonly Bytes[], folders: readonly Bytes[]): Promise<void> {
    for (const [what, paths] of [["files", files], ["folders", folders]] as const) {
      if (paths.length === 0) continue;
      const { exitCode, said } = await this.#run(removeCommand(what), { ahead: names(paths) });
      if (exitCode !== 0) throw this.#failure("delete there", said);
    }
  }

  /** Unpacks a staged archive there; all of it or nothing of it is put in place. */
  async send(archive: (stage: Bytes) => AsyncIterable<Uint8Array>): Promise<void> {
    const stage = stagePrefix + Buffer.from(this.#options.world.random(6)).toString("hex");
    const { exitCode, said } = await this.#run(unpackCommand, { ahead: `${stage}\n`, archive: archive(stage) });
    if (exitCode !== 0) throw this.#failure(exitCode === 5 ? "put everything in place there" : "unpack there", said);
  }

  /** The entries of an archive of these files and links. */
  async *fetch(paths: readonly Bytes[]): AsyncGenerator<TarEntry> {
    if (paths.length === 0) return;
    const chunks = new Handover();
    const ending = this.#run(packCommand, { ahead: names(paths), onStdout: (chunk) => chunks.give(chunk) })
      .then(({ exitCode, said }) => {
        // What vanished meanwhile is missing from the archive, and `tar` says so.
        chunks.end(
          exitCode !== 0 && exitCode !== 123 && exitCode !== 1 ? this.#failure("read there", said) : undefined,
        );
      }, (error) => chunks.end(error));
    try {
      yield* readTar(behindMark(chunks));
    } finally {
      chunks.leave();
      await ending;
    }
  }

  async #run(
    command: string,
    { ahead = "", archive, onStdout }: {
      ahead?: Bytes;
      archive?: AsyncIterable<Uint8Array>;
      onStdout?: (chunk: Uint8Array) => void | Promise<void>;
    },
  ): Promise<{ exitCode: number; said: string }> {
    const { session, folder, signal } = this.#options;
    let said = "";
    const { exitCode } = await session.exec(command, {
      signal,
      stdin: joined(bufferOf(folderLine(folder) + ahead), archive),
      onStdout,
      onStderr: (chunk) => {
        if (said.length < 2000) said += Buffer.from(chunk).toString("utf8");
      },
    });
    return { exitCode, said: oneLine(said, 300) };
  }

  #failure(doing: string, said: string): GpuError {
    return new GpuError(`\`${this.#options.name}\` cannot ${doing}${said === "" ? "" : `: ${said}`}`);
  }
}

/** What comes behind the mark: before it, a start-up file may have printed something. */
async function* behindMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const at = head.indexOf(packMark);
    if (at < 0 && head.length < longestSmall) continue;
    if (at < 0) throw new GpuError("what `tar` sent cannot be read");
    yield head.subarray(at + packMark.length);
    head = undefined;
  }
}

/** With `./` in front no name is taken for a flag. */
function names(paths: readonly Bytes[]): Bytes {
  return paths.map((path) => `./${path}\0`).join("");
}

async function* joined(first: Uint8Array, rest: AsyncIterable<Uint8Array> | undefined): AsyncGenerator<Uint8Array> {
  yield first;
  if (rest) yield* rest;
}
