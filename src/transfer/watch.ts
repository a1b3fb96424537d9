import { type FSWatcher, watch as watchFolder } from "node:fs";
import type { Context } from "../command.ts";
import { InterruptedError, messageOf } from "../errors.ts";
import type { Listing } from "./listing.ts";
import { bufferOf, type Bytes, toBytes } from "./names.ts";
import { RefusedError } from "./refused.ts";
import type { RuleBook } from "./rule-book.ts";
import { type Look, look, pass } from "./sync.ts";
import type { OpenSync } from "./sync-run.ts";
import type { SyncResult } from "./synced.ts";

/** So long nothing may happen before a change is looked at, and so long it waits at most, in milliseconds. */
const quietMs = 80;
const longestQuietMs = 1000;
/** What no event told of is found by then. */
const unpromptedMs = 30_000;
const firstPauseMs = 500;
const longestPauseMs = 15_000;

/** Syncs once, and again whenever something changed here; a lost connection is made anew. Ends with the signal. */
export async function* watchAndSync(
  context: Context,
  open: () => Promise<OpenSync>,
  name: string,
): AsyncGenerator<SyncResult> {
  const { signal, note, world: { clock } } = context;
  const { SshError } = await import("../ssh/failure.ts");
  let isFirst = true;
  let pauseMs = firstPauseMs;
  for (;;) {
    try {
      await using syncing = await open();
      // Before the first look, so that nothing falls between the two.
      using changes = new Changes(syncing.root);
      let known: Listing | undefined;
      for (;;) {
        const looked = await look(syncing, known);
        changes.ignore(looked.book);
        const result = await pass(syncing, looked).catch((error: unknown) => {
          // Whoever starts it is told at once; later it goes on, and tries again with the next change.
          if (isFirst || !(error instanceof RefusedError)) throw error;
          note(`warning: ${error.message}`);
          return undefined;
        });
        pauseMs = firstPauseMs;
        known = result && afterwards(looked);
        if (result && (isFirst || result.files + result.deleted > 0)) yield result;
        if (isFirst) note(`watching; Ctrl-C ends it`);
        isFirst = false;
        await changes.next(clock, signal);
      }
    } catch (error) {
      // Ctrl-C is its normal end.
      if (signal.aborted && signal.reason instanceof InterruptedError && signal.reason.signal === "SIGINT") return;
      if (signal.aborted || !(error instanceof SshError)) throw error;
      if (isFirst && error.reason !== "lost") throw error;
      note(`${name}: ${messageOf(error)}; trying again`);
      await clock.sleep(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    }
  }
}

/** What is there after a pass: the source, and what was neither in it nor deleted. */
function afterwards({ source, there, difference }: Look): Listing {
  const known: Listing = new Map(there);
  for (const path of [...difference.removed, ...difference.removedFolders]) known.delete(path);
  for (const [path, found] of source) known.set(path, found);
  return new Map([...known].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Tells when something below a folder has changed that is not left out. */
class Changes implements Disposable {
  readonly #watcher: FSWatcher;
  #book: RuleBook | undefined;
  #hasChanged = false;
  #changedAt = 0;
  #wake = () => {};

  constructor(root: Bytes) {
    this.#watcher = watchFolder(bufferOf(root).toString("utf8"), { recursive: true }, (_event, name) => {
      const path = typeof name === "string" ? toBytes(name.replaceAll("\\", "/")) : "";
      // git works in its own folder all the time.
      if (path !== "" && (path.startsWith(".git/") || this.#book?.leavesOut(path, false))) return;
      this.#hasChanged = true;
      this.#changedAt = performance.now();
      this.#wake();
    });
    // A folder that vanishes is seen by the next look.
    this.#watcher.on("error", () => this.#wake());
  }

  ignore(book: RuleBook): void {
    this.#book = book;
  }

  /** Resolves when something has changed and it is quiet again, or after a while. */
  async next(clock: Context["world"]["clock"], signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const limit = AbortSignal.any([signal, over.signal]);
    if (!this.#hasChanged) {
      await Promise.race([
        clock.sleep(unpromptedMs, limit).catch(() => {}),
        new Promise<void>((resolve) => this.#wake = resolve),
      ]);
      over.abort();
      signal.throwIfAborted();
    }
    const startedAt = performance.now();
    while (performance.now() - this.#changedAt < quietMs && performance.now() - startedAt < longestQuietMs) {
      await clock.sleep(quietMs, signal);
    }
    this.#hasChanged = false;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}
