import type { Sink } from "../world.ts";
import { fitted } from "./fit.ts";
import { openTurns } from "./turns.ts";

/** Makes the text for a screen that is so many cells wide. */
export type Frame = (columns: number) => string;

/** A terminal's second screen: what stood on the first is there again afterwards, and the last frame below it. */
export interface Screen extends AsyncDisposable {
  /** Puts a frame in the place of the one before; it is drawn anew when the terminal's size changes. */
  show(frame: Frame): Promise<void>;
}

// Control sequences as in xterm's ctlseqs: second screen, cursor, home, erase to the end of line and screen.
const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const home = "\x1b[H";
const eraseLine = "\x1b[K";
const eraseBelow = "\x1b[J";
// Synchronised output: a terminal that knows it shows the frame at once; the others ignore it.
const beginFrame = "\x1b[?2026h";
const endFrame = "\x1b[?2026l";

/** Nothing is written before the first frame. */
export function openScreen(sink: Sink): Screen {
  const inTurn = openTurns();
  let frame: Frame | undefined;
  let resized: Disposable | undefined;
  const draw = () =>
    inTurn(async () => {
      if (frame === undefined) return;
      const lines = linesOf(frame, sink).map((line) => `${line}${eraseLine}\n`);
      // Each line replaces its own: nothing is ever blank in between.
      await sink.write(`${beginFrame}${home}${lines.join("")}${eraseBelow}${endFrame}`);
    });
  return {
    async show(next) {
      const isFirst = frame === undefined;
      frame = next;
      if (isFirst) {
        await inTurn(() => sink.write(enter));
        resized = sink.onResize(() => void draw().catch(() => {}));
      }
      await draw();
    },
    async [Symbol.asyncDispose]() {
      const last = frame;
      frame = undefined;
      resized?.[Symbol.dispose]();
      if (last !== undefined) await inTurn(() => sink.write(leave + last(sink.columns)));
    },
  };
}

/** As many lines as fit above the cursor's own, none wider than the screen; what is missing is counted. */
function linesOf(frame: Frame, { columns, rows }: Sink): string[] {
  const lines = frame(columns).replace(/\n$/, "").split("\n");
  const room = Math.max(1, rows - 1);
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more`];
  return shown.map((line) => fitted(line, columns));
}
