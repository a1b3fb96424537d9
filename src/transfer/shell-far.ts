import { GpuError } from "../errors.ts";
import type { Session } from "../ssh/session.ts";
import type { World } from "../world.ts";
import type { StagedArchive } from "./archive.ts";
import type { Far, FarListing } from "./far.ts";
import { behindMark, LeftNames } from "./far-answers.ts";
import { hashCommand, listCommand, packCommand, removeCommand, stagePrefix, unpackCommand } from "./far-scripts.ts";
import { type Ended, FarShell } from "./far-shell.ts";
import { Handover } from "./handover.ts";
import { ListingReader, type ReadListing, UnreadableListing } from "./far-listing.ts";
import type { Listing } from "./listing.ts";
import { type Bytes, bytesFrom, join, shown } from "./names.ts";
import { stagedFolder } from "./place-plan.ts";
import type { Refused } from "./refused.ts";
import { readTar, type TarEntry } from "./tar-read.ts";

interface ShellFarOptions {
  readonly world: Pick<World, "random">;
  readonly session: Session;
  /** As people call the machine. */
  readonly name: string;
  readonly folder: Bytes;
  readonly signal: AbortSignal;
}

interface Unpacked extends Ended {
  /** What did not get into place. */
  readonly left: readonly Bytes[];
}

/** A small file that is longer is none. */
const longestSmall = 2 ** 20;

/** The tree on a machine with a shell and tar: everything is one command and one stream. */
export class ShellFar implements Far {
  readonly #options: ShellFarOptions;
  readonly #shell: FarShell;
  /** What the first listing found there to work with. */
  #tools: ReadonlySet<string> = new Set();
  #usable: "yes" | "no shell" | "no tar" = "no shell";

  constructor(options: ShellFarOptions) {
    this.#options = options;
    this.#shell = new FarShell(options);
  }

  /** Whether this machine can be worked with like this; known once it was listed. */
  get usable() {
    return this.#usable;
  }

  async list(): Promise<FarListing | undefined> {
    const { name, folder } = this.#options;
    const { read, exitCode, said } = await this.#list(folder);
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
    await this.#shell.run(hashCommand(tool), {
      ahead: names(asked),
      onStdout: (chunk) => void (text += bytesFrom(chunk)),
    });
    const lines = text.split("\n").flatMap((line) => /^\\?([0-9a-f]{64}) [ *]\.\/([^]*)$/.exec(line) ?? []);
    const found = new Map<Bytes, string>();
    for (let at = 0; at + 2 < lines.length; at += 3) found.set(lines[at + 2] ?? "", lines[at + 1] ?? "");
    return found;
  }

  async remove(files: readonly Bytes[], folders: readonly Bytes[]): Promise<readonly Refused[]> {
    const refused: Refused[] = [];
    for (const [what, paths] of [["files", files], ["folders", folders]] as const) {
      if (paths.length === 0) continue;
      const left = new LeftNames();
      const { exitCode, said, reason } = await this.#shell.run(removeCommand(what), {
        ahead: names(paths),
        onStdout: (chunk) => left.push(chunk),
      });
      const stayed = left.among(new Set(paths));
      if (exitCode !== 0 && stayed.length === 0) throw this.#failure("delete there", said);
      refused.push(...stayed.map((path) => this.#refused("delete", path, reason)));
    }
    return refused;
  }

  /** Unpacks a staged archive there, and puts it in place. Nothing that is cut short gets its name. */
  async send(make: (stage: Bytes) => StagedArchive): Promise<readonly Refused[]> {
    const stage = stagePrefix + Buffer.from(this.#options.world.random(6)).toString("hex");
    const archive = make(stage);
    const sent = await this.#unpack(archive, archive.bytes());
    if (sent.exitCode !== 6) return this.#leftBehind(sent);
    // What could not be unpacked is missing, or, on a disk that is full, cut short: then nothing is put in place.
    const { read } = await this.#list(join(join(this.#options.folder, stage), stagedFolder));
    const there: Listing = read?.listing ?? new Map();
    const isWhole = read !== undefined &&
      [...there].every(([path, { kind, bytes }]) => kind !== "file" || bytes === archive.packed.get(path));
    const packed = [...archive.packed.keys()];
    const placed = await this.#unpack(
      archive,
      archive.placing(isWhole ? packed.filter((path) => there.has(path)) : []),
    );
    if (!isWhole) throw this.#failure("unpack there", sent.said);
    const missing = packed.filter((path) => !there.has(path));
    return [...missing.map((path) => this.#refused("write", path, sent.reason)), ...this.#leftBehind(placed)];
  }

  async #unpack(archive: StagedArchive, bytes: AsyncIterable<Uint8Array>): Promise<Unpacked> {
    const left = new LeftNames();
    const ended = await this.#shell.run(unpackCommand, {
      ahead: `${archive.stage}\n`,
      archive: bytes,
      onStdout: (chunk) => left.push(chunk),
    });
    return { ...ended, left: left.among(archive.packed) };
  }

  #leftBehind({ exitCode, said, reason, left }: Unpacked): Refused[] {
    if (exitCode === 0) return [];
    if (exitCode !== 5) throw this.#failure("unpack there", said);
    if (left.length > 0) return left.map((path) => this.#refused("write", path, reason));
    return [{ path: undefined, message: this.#failure("put everything in place there", said).message }];
  }

  /** The entries of an archive of these files and links. */
  async *fetch(paths: readonly Bytes[]): AsyncGenerator<TarEntry> {
    if (paths.length === 0) return;
    const chunks = new Handover();
    const ending = this.#shell.run(packCommand, { ahead: names(paths), onStdout: (chunk) => chunks.give(chunk) })
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

  async #list(folder: Bytes): Promise<Ended & { read: ReadListing | undefined }> {
    const reader = new ListingReader();
    const ended = await this.#shell.run(listCommand, { folder, onStdout: (chunk) => reader.push(chunk) })
      .catch((error: unknown) => {
        // Whatever runs there is no shell of the usual kind.
        if (reader.hasBegun || !(error instanceof UnreadableListing)) throw error;
        return { exitCode: 0, said: "", reason: "" };
      });
    return { ...ended, read: reader.end() };
  }

  #refused(doing: "write" | "delete", path: Bytes, reason: string): Refused {
    const { name, folder } = this.#options;
    return { path, message: `cannot ${doing} \`${name}:${shown(join(folder, path))}\`: ${reason}` };
  }

  #failure(doing: string, said: string): GpuError {
    return new GpuError(`\`${this.#options.name}\` cannot ${doing}${said === "" ? "" : `: ${said}`}`);
  }
}

/** With `./` in front no name is taken for a flag. */
function names(paths: readonly Bytes[]): Bytes {
  return paths.map((path) => `./${path}\0`).join("");
}
