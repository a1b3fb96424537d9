import type { Context } from "../command.ts";
import { diskStore, memoryStore } from "./input-store.ts";
import { SharedInput } from "./shared-input.ts";

/** A text, and then what a source gives. */
export async function* joined(
  ahead: string,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (ahead !== "") yield Buffer.from(ahead);
  yield* source;
}

export interface InputOfHost extends AsyncIterable<Uint8Array>, Disposable {}

/** Our stdin, whole for each machine. */
export interface InputOfMany extends AsyncDisposable {
  /** What the machine with this number reads; disposed of when it reads no more. */
  forHost(index: number): InputOfHost;
}

/** Reads our stdin once for so many machines. Where not all run at once, the later ones read it from the disk. */
export async function openInput(
  { world }: Context,
  { hostCount, jobs }: { hostCount: number; jobs: number },
): Promise<InputOfMany> {
  const ended = new AbortController();
  const source = world.terminal.stdin.read({ signal: ended.signal });
  const isAtOnce = hostCount <= jobs;
  const disk = isAtOnce ? undefined : await diskStore(world.folders.cache);
  const shared = new SharedInput(source, disk ?? memoryStore());
  // Those that begin now are waited for from the start.
  const readers = Array.from({ length: isAtOnce ? hostCount : 0 }, () => shared.reader());
  return {
    forHost(index) {
      const reader = readers[index] ?? shared.reader();
      return { [Symbol.asyncIterator]: () => reader.read(), [Symbol.dispose]: () => reader.release() };
    },
    async [Symbol.asyncDispose]() {
      shared[Symbol.dispose]();
      ended.abort();
      await disk?.[Symbol.asyncDispose]();
    },
  };
}
