import type { World } from "../../world.ts";
import { diskUse } from "../disk-use.ts";
import type { Places } from "./places.ts";
import type { JobStore } from "./store.ts";

/** What is kept of jobs that are over: all of it where nothing is said. */
export interface Keep {
  readonly ageMs?: number;
  /** Of all jobs together, waiting and running ones too. */
  readonly bytes?: number;
}

interface Kept {
  readonly store: JobStore;
  readonly places: Places;
  readonly keep?: Keep;
}

interface Sweep extends Kept {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Sizes of jobs that are over, which change no more: what one sweep found out the next one knows. */
  readonly known?: Map<string, number>;
}

/** Removes jobs that are over, the oldest first, until what is left is to be kept. Returns the bytes that are left. */
export async function sweep({ store, places, keep = {}, now, known = new Map() }: Sweep): Promise<number> {
  const over = store.over();
  let total = 0;
  for (const { id } of store.open()) total += await sizeOf(places, id);
  for (const { id } of over) {
    const bytes = known.get(id) ?? await sizeOf(places, id);
    known.set(id, bytes);
    total += bytes;
  }
  for (const { id, endedMs } of over) {
    const isOld = keep.ageMs !== undefined && endedMs < now - keep.ageMs;
    if (!isOld && (keep.bytes === undefined || total <= keep.bytes)) continue;
    // In this order what a kill leaves behind belongs to no job, and is removed at the next start.
    store.delete(id);
    places.remove(id);
    total -= known.get(id) ?? 0;
    known.delete(id);
  }
  return total;
}

/** How often it is swept, in milliseconds: at least, and at most where jobs end all the time. */
const sweepMs = { always: 600_000, atMost: 5_000 };

/** Sweeps now and then, and after jobs. */
export class Sweeper implements Disposable {
  readonly #options: Kept & { readonly world: Pick<World, "clock"> };
  readonly #over = new AbortController();
  #poked = Promise.withResolvers<void>();
  #usedBytes = 0;
  readonly #known = new Map<string, number>();

  constructor(options: Kept & { readonly world: Pick<World, "clock"> }) {
    this.#options = options;
    const { keep } = options;
    if (keep?.ageMs !== undefined || keep?.bytes !== undefined) void this.#run().catch(() => {});
  }

  /** Whether so many bytes more stay within what is kept; they count until the next sweep knows better. */
  hasRoom(bytes: number): boolean {
    const limit = this.#options.keep?.bytes;
    const hasRoom = limit === undefined || this.#usedBytes + bytes <= limit;
    if (hasRoom) this.#usedBytes += bytes;
    else this.poke();
    return hasRoom;
  }

  /** Something may have to go. */
  poke(): void {
    this.#poked.resolve();
  }

  [Symbol.dispose](): void {
    this.#over.abort(new Error("the server ends"));
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    const { clock } = this.#options.world;
    while (!signal.aborted) {
      this.#poked = Promise.withResolvers();
      // What cannot be read or removed now may be the next time.
      this.#usedBytes = await sweep({ ...this.#options, now: clock.now(), known: this.#known }).catch(() =>
        this.#usedBytes
      );
      const waiting = new AbortController();
      await Promise.race([
        this.#poked.promise,
        clock.sleep(sweepMs.always, AbortSignal.any([signal, waiting.signal])).catch(() => {}),
      ]);
      waiting.abort();
      if (!signal.aborted) await clock.sleep(sweepMs.atMost, signal);
    }
  }
}

async function sizeOf(places: Places, id: string): Promise<number> {
  return await diskUse(places.log(id)) + await diskUse(places.upload(id)) + await diskUse(places.work(id));
}
