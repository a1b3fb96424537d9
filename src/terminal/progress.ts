import type { Clock, Sink } from "../world.ts";
import { safeText } from "../safe-text.ts";
import { fitted } from "./fit.ts";
import { openTurns } from "./turns.ts";

export interface Progress extends Disposable {
  /** Says what is being waited for, and since when; `undefined`: nothing is any more. */
  show(text: string | undefined): void;
  /** Prints while the living line is out of the way. */
  around(write: () => Promise<void>): Promise<void>;
  /** Keeps lines at the bottom of a terminal, below all that is printed, until told `undefined`; absent where there is none. */
  live?(frame: LiveFrame | undefined): void;
}

/** Makes the lines, none wider than the terminal. Asked again whenever they are drawn. */
export type LiveFrame = (size: { columns: number; rows: number }) => readonly string[];

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

/** The start of a line, that many lines up, and nothing from there on. */
const clearUp = (lines: number) => `\r${lines > 0 ? `\x1b[${lines}A` : ""}\x1b[J`;
const clearLine = "\r\x1b[2K";

function livingLine({ sink, clock, inTurn }: Parts): Progress {
  let text: string | undefined;
  let since = 0;
  let frame: LiveFrame | undefined;
  let drawn: readonly string[] = [];
  let living: AbortController | undefined;
  let isAskedFor = false;

  const erasing = () => {
    if (drawn.length === 0) return "";
    // A terminal that became narrower broke what did not fit any more.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(Bun.stringWidth(line) / sink.columns)), 0);
    const isOne = drawn.length === 1 && rows === 1;
    drawn = [];
    return isOne ? clearLine : clearUp(rows - 1);
  };
  const erase = async () => {
    const before = erasing();
    if (before !== "") await quietly(sink.write(before));
  };
  const linesNow = () => {
    const lines = frame?.({ columns: sink.columns, rows: sink.rows }) ?? [];
    if (text === undefined) return lines;
    const suffix = secondsText(clock.now() - since);
    // The last cell stays free: some terminals go on to the next line with it.
    return [...lines, fitted(oneLine(text), sink.columns - 1 - Bun.stringWidth(suffix)) + suffix];
  };
  const draw = async () => {
    isAskedFor = false;
    const lines = linesNow();
    const before = drawn.length === 0 ? "\r" : "";
    const shown = before + erasing() + lines.join("\n");
    drawn = lines;
    if (shown !== "\r") await quietly(sink.write(shown));
  };
  const redraw = () => {
    // While a question is asked, one drawing waits, not many.
    if (isAskedFor) return;
    isAskedFor = true;
    void inTurn(draw);
  };
  const liven = () => {
    if (text === undefined && frame === undefined) {
      living?.abort();
      living = undefined;
      void inTurn(erase);
      return;
    }
    if (living === undefined) {
      living = new AbortController();
      const resized = sink.onResize(redraw);
      living.signal.addEventListener("abort", () => resized[Symbol.dispose](), { once: true });
      void tick(clock, redraw, living.signal);
    }
    redraw();
  };
  return {
    show(next) {
      if (next === text) return;
      if (text === undefined) since = clock.now();
      text = next;
      liven();
    },
    live(next) {
      if (next === undefined && frame === undefined) return;
      frame = next;
      liven();
    },
    around: (write) =>
      inTurn(async () => {
        await erase();
        await write();
        if (text !== undefined || frame !== undefined) await draw();
      }),
    [Symbol.dispose]() {
      text = undefined;
      frame = undefined;
      liven();
    },
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
