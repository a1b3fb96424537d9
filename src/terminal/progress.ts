import type { Clock, Sink } from "../world.ts";
import { safeText } from "../safe-text.ts";

export interface Progress extends Disposable {
  /** Shows `text`, with the seconds it has been there; `undefined` takes the line away. */
  show(text: string | undefined): void;
  /** Takes the line away while `write` prints, then puts it back. */
  around(write: () => Promise<void>): Promise<void>;
}

interface ProgressOptions {
  readonly sink: Sink;
  readonly clock: Clock;
  readonly isShown: boolean;
}

const clearLine = "\r\x1b[2K";

/** The one living line on stderr. Without a terminal nothing is shown: a log is no place for it. */
export function openProgress({ sink, clock, isShown }: ProgressOptions): Progress {
  let text: string | undefined;
  let since = 0;
  let ticking: AbortController | undefined;

  const draw = () => {
    if (text === undefined) return;
    const seconds = Math.floor((clock.now() - since) / 1000);
    const line = safeText(seconds > 0 ? `${text} · ${seconds} s` : text);
    void quietly(sink.write(clearLine + Bun.sliceAnsi(line, 0, sink.columns - 1)));
  };
  const erase = () => (text === undefined ? Promise.resolve() : quietly(sink.write(clearLine)));
  const show = (next: string | undefined) => {
    if (!isShown || next === text) return;
    if (next === undefined) void erase();
    if (text === undefined) since = clock.now();
    text = next;
    ticking?.abort();
    if (text === undefined) return;
    draw();
    ticking = new AbortController();
    void tick(clock, draw, ticking.signal);
  };
  return {
    show,
    async around(write) {
      await erase();
      await write();
      draw();
    },
    [Symbol.dispose]: () => show(undefined),
  };
}

/** A line that nobody can see any more is no reason to end. */
function quietly(writing: Promise<void>): Promise<void> {
  return writing.catch(() => {});
}

async function tick(clock: Clock, draw: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(1000, signal).then(draw, () => {});
  }
}
