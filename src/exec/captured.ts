import { Capture, type Room } from "./capture.ts";
import type { HostOutput, Output } from "./output.ts";

/** Output kept for whoever asked for it: `--json`, a recipe. */
export function capturedOutput(room: Room): Output {
  return {
    open(): HostOutput {
      const capture = new Capture(room);
      return {
        write: (stream, chunk) => capture.add(stream, chunk),
        end() {
          const text = capture.text();
          // What is handed over is printed or the recipe's own; it is not kept here.
          capture.release();
          return Promise.resolve(text);
        },
      };
    },
    end: () => Promise.resolve(),
  };
}
