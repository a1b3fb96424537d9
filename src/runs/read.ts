import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import { systemCode } from "../errors.ts";
import type { World } from "../world.ts";
import { readEvent, type RunEvent } from "./events.ts";
import { isBeingWritten, logPath } from "./store.ts";

/** How often a log that is followed is looked at, in milliseconds. */
const pollMs = 150;
const chunkBytes = 256 * 2 ** 10;

/** All events of a run so far, the oldest first. */
export async function readLog(world: Pick<World, "folders">, id: string): Promise<RunEvent[]> {
  const text = await readFile(logPath(world, id), "utf8");
  return text.split("\n").flatMap((line) => readEvent(line) ?? []);
}

/**
 * The events of a run as they come, from the first one on; ends with the run, also where its process died. `onCaughtUp`:
 * what is yielded from here on happens now.
 */
export async function* followLog(
  world: Pick<World, "folders" | "clock">,
  { id, signal, onCaughtUp }: { id: string; signal: AbortSignal; onCaughtUp?: () => void },
): AsyncGenerator<RunEvent> {
  const reader = new LogReader(logPath(world, id));
  using _reader = reader;
  let isCaughtUp = false;
  let wasAlive = true;
  for (;;) {
    let count = 0;
    for (const event of reader.read()) {
      count += 1;
      yield event;
      if (event.kind === "ended") return;
    }
    if (count > 0) continue;
    // What it wrote last was read after it was known to be dead.
    if (!wasAlive) return;
    if (!isCaughtUp) onCaughtUp?.();
    isCaughtUp = true;
    wasAlive = await isBeingWritten(world, id);
    if (wasAlive) await world.clock.sleep(pollMs, signal);
  }
}

/** Reads on in a file that grows, and that another one may replace. */
class LogReader implements Disposable {
  readonly #path: string;
  #file: { readonly handle: number; readonly inode: number } | undefined;
  #offset = 0;
  #partial = "";
  #decoder = new StringDecoder("utf8");
  #lastSeq = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What there is now that was not read before, in pieces of bounded size. */
  *read(): Generator<RunEvent> {
    this.#reopenIfReplaced();
    if (this.#file === undefined) return;
    const buffer = Buffer.alloc(chunkBytes);
    const bytes = readSync(this.#file.handle, buffer, 0, chunkBytes, this.#offset);
    this.#offset += bytes;
    const lines = (this.#partial + this.#decoder.write(buffer.subarray(0, bytes))).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) {
      const event = readEvent(line);
      if (event === undefined || event.seq <= this.#lastSeq) continue;
      this.#lastSeq = event.seq;
      yield event;
    }
  }

  [Symbol.dispose](): void {
    if (this.#file) closeSync(this.#file.handle);
    this.#file = undefined;
  }

  #reopenIfReplaced(): void {
    const handle = openIfThere(this.#path);
    if (handle === undefined) return;
    const inode = fstatSync(handle).ino;
    if (this.#file?.inode === inode) return closeSync(handle);
    this[Symbol.dispose]();
    this.#file = { handle, inode };
    this.#offset = 0;
    this.#partial = "";
    this.#decoder = new StringDecoder("utf8");
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
