import { type FSWatcher, watch } from "node:fs";
import { basename } from "node:path";
import type { World } from "../../world.ts";

/** How often a log is looked at where the system tells of its growth too, and where nothing does, in milliseconds. */
const lookMs = { told: 250, untold: 50 };

/** Bun keeps to itself what happens to a file within a millisecond or two after it told of that file: look again then. */
const again = { everyMs: 1, times: 3 };

/** Tells readers of the logs in a folder that one of them has grown. */
export class LogFeed implements Disposable {
  readonly #world: Pick<World, "clock" | "platform">;
  readonly #readers = new Map<string, Set<LogNews>>();
  readonly #over = new AbortController();
  /** How often each log is still to be looked at. */
  readonly #again = new Map<string, number>();
  #watcher: FSWatcher | undefined;
  #isLooking = false;
  #isLookingAgain = false;

  constructor(folder: string, world: Pick<World, "clock" | "platform">) {
    this.#world = world;
    try {
      // On Linux the system says it within a millisecond; elsewhere it may take a second, and looking is quicker.
      if (world.platform === "linux") this.#watcher = watch(folder, (_, name) => this.#told(name));
      this.#watcher?.on("error", () => this.#watcher = undefined);
    } catch {
      this.#watcher = undefined; // There are only so many of them; looking is always possible.
    }
  }

  /** News of one log, until disposed of; the signal's firing is news too. */
  subscribe(path: string, signal?: AbortSignal): LogNews {
    const name = basename(path);
    const readers = this.#readers.get(name) ?? new Set();
    this.#readers.set(name, readers);
    const tell = () => news.tell();
    const news = new LogNews(() => {
      signal?.removeEventListener("abort", tell);
      readers.delete(news);
      if (readers.size === 0 && this.#readers.get(name) === readers) this.#readers.delete(name);
    });
    signal?.addEventListener("abort", tell, { once: true });
    readers.add(news);
    void this.#look();
    return news;
  }

  /** Says that something else happened to the job of that log. */
  wake(path: string): void {
    this.#wake(basename(path));
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#watcher?.close();
    this.#wake(undefined);
  }

  #told(name: string | null): void {
    this.#wake(name ?? undefined);
    if (name === null || !this.#readers.has(name)) return;
    this.#again.set(name, again.times);
    if (!this.#isLookingAgain) void this.#lookAgain();
  }

  async #lookAgain(): Promise<void> {
    this.#isLookingAgain = true;
    try {
      while (this.#again.size > 0) {
        await this.#world.clock.sleep(again.everyMs, this.#over.signal);
        for (const [name, left] of this.#again) {
          this.#readers.get(name)?.forEach((news) => news.glance());
          if (left > 1) this.#again.set(name, left - 1);
          else this.#again.delete(name);
        }
      }
    } catch {
      // It is over.
    } finally {
      this.#isLookingAgain = false;
    }
  }

  #wake(name: string | undefined): void {
    if (name !== undefined) return this.#readers.get(name)?.forEach((news) => news.tell());
    for (const readers of this.#readers.values()) for (const news of readers) news.tell();
  }

  /** Wakes everybody now and then, as long as there is somebody. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#readers.size > 0) {
        await this.#world.clock.sleep(this.#watcher ? lookMs.told : lookMs.untold, this.#over.signal);
        this.#wake(undefined);
      }
    } catch {
      // It is over.
    } finally {
      this.#isLooking = false;
    }
  }
}

/** What one reader of a log hears. */
export class LogNews implements Disposable {
  readonly #leave: () => void;
  #hasNews = false;
  #wake: (() => void) | undefined;
  /** Whether the log is longer than its reader knows; cheaper than to wake the reader. */
  hasGrown = (): boolean => true;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** Resolves when something happened since the last time. */
  async next(): Promise<void> {
    if (!this.#hasNews) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = undefined;
    this.#hasNews = false;
  }

  /** Tells only when there is something to be read. */
  glance(): void {
    if (this.#wake && this.hasGrown()) this.tell();
  }

  tell(): void {
    this.#hasNews = true;
    this.#wake?.();
  }

  [Symbol.dispose](): void {
    this.#leave();
    this.tell();
  }
}
