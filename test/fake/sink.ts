import type { Sink } from "../../src/world.ts";
import { readScreen } from "./screen.ts";

export interface FakeSink extends Sink {
  columns: number;
  rows: number;
  /** Everything that was written, in its order. */
  readonly written: string;
  /** What stands on the screen. */
  screen(): string[];
  /** Changes the size, as a person does who drags the window's edge. */
  resize(size: { columns: number; rows?: number }): void;
}

/** One output in memory. `isSlow`: each write takes a turn of the event loop, as a terminal far away. */
export function fakeSink({ isTTY = true, columns = 80, rows = 24, isSlow = false } = {}): FakeSink {
  const listeners = new Set<() => void>();
  let written = "";
  return {
    isTTY,
    columns,
    rows,
    get written() {
      return written;
    },
    async write(chunk) {
      if (isSlow) await new Promise((resolve) => setImmediate(resolve));
      written += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    },
    onResize(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    screen: () => readScreen(written).split("\n"),
    resize(size) {
      this.columns = size.columns;
      this.rows = size.rows ?? this.rows;
      for (const listener of listeners) listener();
    },
  };
}
