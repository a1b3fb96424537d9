import type { Clock, Sink } from "../world.ts";
import { safeText } from "../safe-text.ts";
import { fitted } from "./fit.ts";
import { openTurns } from "./turns.ts";

export interface Progress extends Disposable {
  /** Says what is being waited for, and since when; `undefined`: nothing is any more. */
  show(text: string | undefined): void;
  /** Prints while the living line is out of the way. */
  around(write: () => Promise<void>): Promise<void>;
}

interface ProgressOptions {
  readonly sink: Sink;
  readonly clock: Clock;
  /** `false`: nothing is said, and what is printed still comes one after the other. */
  readonly isShown: boolean;
}

/** What is being waited for, on stderr: the one living line of a terminal, now and then a line of a log. */
export function openProgress({ sink, clock, isShown }: ProgressOptions): Progress {
  const inTurn = openTurns();
  if (!isShown) return { show: () => {}, around: inTurn, [Symbol.dispose]() {} };
  return sink.isTTY ? livingLine({ sink, clock, inTurn }) : plainLines({ sink, clock, inTurn });
}

interface Parts extends Pick<ProgressOptions, "sink" | "clock"> {
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
}

const clearLine = "\r\x1b[2K";

function livingLine({ sink, clock, inTurn }: Parts): Progress {
  let text: string | undefined;
  let since = 0;
  let isDrawn = false;
  let living: AbortController | undefined;

  const erase = async () => {
    if (!isDrawn) return;
    isDrawn = false;
    await quietly(sink.write(clearLine));
  };
  const draw = async () => {
    if (text === undefined) return;
    isDrawn = true;
    const suffix = secondsText(clock.now() - since);
    // The last cell stays free: some terminals go on to the next line with it.
    const line = fitted(oneLine(text), sink.columns - 1 - Bun.stringWidth(suffix)) + suffix;
    await quietly(sink.write(clearLine + line));
  };
  const redraw = () => void inTurn(draw);
  const live = () => {
    living = new AbortController();
    const resized = sink.onResize(redraw);
    living.signal.addEventListener("abort", () => resized[Symbol.dispose](), { once: true });
    void tick(clock, redraw, living.signal);
  };
  const show = (next: string | undefined) => {
    if (next === text) return;
    if (text === undefined) since = clock.now();
    text = next;
    if (text === undefined) {
      living?.abort();
      living = undefined;
      void inTurn(erase);
      return;
    }
    if (living === undefined) live();
    redraw();
  };
  return {
    show,
    around: (write) =>
      inTurn(async () => {
        await erase();
        await write();
        await draw();
      }),
    [Symbol.dispose]: () => show(undefined),
  };
}

/** A log is no place for every step: only what takes long is said, at most one line a minute, and no step that is over soon. */
const logMs = { first: 10_000, between: 60_000, lasting: 1_000 };

function plainLines({ sink, clock, inTurn }: Parts): Progress {
  let text: string | undefined;
  let said: string | undefined;
  let since = 0;
  let dueAt = 0;
  let waiting: AbortController | undefined;

  const say = () => {
    waiting = undefined;
    if (text === undefined || text === said) return;
    said = text;
    dueAt = clock.now() + logMs.between;
    const line = `${oneLine(text)}${secondsText(clock.now() - since)}\n`;
    void inTurn(() => quietly(sink.write(line)));
  };
  const show = (next: string | undefined) => {
    if (next === text) return;
    if (text === undefined) {
      since = clock.now();
      dueAt = Math.max(dueAt, since + logMs.first);
    }
    text = next;
    if (text === undefined || text === said) {
      waiting?.abort();
      waiting = undefined;
    } else if (waiting === undefined) {
      waiting = new AbortController();
      void clock.sleep(Math.max(logMs.lasting, dueAt - clock.now()), waiting.signal).then(say, () => {});
    }
  };
  return { show, around: inTurn, [Symbol.dispose]: () => show(undefined) };
}

function oneLine(text: string): string {
  return safeText(text).replace(/[\n\t]+/g, " ");
}

function secondsText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds <= 0) return "";
  return ` · ${seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`}`;
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
