import { Buffer } from "node:buffer";

interface Hidden {
  /** What the command reads before anything that is typed. */
  readonly ahead: string;
  /** The remote prints this when its terminal shows nothing of what it reads. */
  readonly ready: string;
  /** The remote may ask something before it is ready: what is typed until then answers that. */
  readonly asksFirst: boolean;
  readonly input: AsyncIterable<Uint8Array>;
  readonly onStdout: (chunk: Uint8Array) => Promise<void>;
}

/** Streams for a command on a terminal that begins by reading what nobody should see: it is sent when the remote is ready. */
export function hiddenAhead({ ahead, ready, asksFirst, input, onStdout }: Hidden): {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly onStdout: (chunk: Uint8Array) => Promise<void>;
} {
  const isReady = Promise.withResolvers<void>();
  let held: Buffer | undefined = Buffer.alloc(0);
  return {
    stdin: asksFirst
      ? typedAround(ahead, { input, isReady: isReady.promise })
      : typedAfter(ahead, { input, isReady: isReady.promise }),
    async onStdout(chunk) {
      if (held === undefined) return await onStdout(chunk);
      held = Buffer.concat([held, chunk]);
      const at = held.indexOf(ready);
      // The start of the word may be at the end of what came; all before that is somebody's question, sudo's for example.
      const shown = at < 0 ? held.length - startOf(ready, held) : at;
      const rest = at < 0 ? held.subarray(shown) : held.subarray(at + ready.length);
      const before = held.subarray(0, shown);
      held = at < 0 ? rest : undefined;
      if (before.length > 0) await onStdout(before);
      if (at < 0) return;
      isReady.resolve();
      if (rest.length > 0) await onStdout(rest);
    },
  };
}

/** How many bytes at the end of these may be the start of the word. */
function startOf(word: string, bytes: Buffer): number {
  for (let length = Math.min(word.length - 1, bytes.length); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).toString("latin1") === word.slice(0, length)) return length;
  }
  return 0;
}

interface Typed {
  readonly input: AsyncIterable<Uint8Array>;
  readonly isReady: Promise<void>;
}

/** What is typed too early is for the command, and waits. */
async function* typedAfter(ahead: string, { input, isReady }: Typed): AsyncGenerator<Uint8Array, void, undefined> {
  await isReady;
  yield Buffer.from(ahead);
  yield* input;
}

/** What is typed until the remote is ready answers its questions; then comes what it waits for, then the rest. */
async function* typedAround(ahead: string, { input, isReady }: Typed): AsyncGenerator<Uint8Array, void, undefined> {
  const typed = input[Symbol.asyncIterator]();
  let isSent = false;
  for (let next = typed.next();;) {
    const first = isSent ? await next : await Promise.race([next, isReady.then(() => undefined)]);
    if (first === undefined) {
      isSent = true;
      yield Buffer.from(ahead);
      continue;
    }
    if (first.done) break;
    yield first.value;
    next = typed.next();
  }
  if (isSent) return;
  await isReady;
  yield Buffer.from(ahead);
}
