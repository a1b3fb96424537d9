import type { Command, Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { safeText } from "../safe-text.ts";
import { render } from "./render.ts";
import { type Frame, openScreen } from "./screen.ts";

interface WatchOptions {
  readonly input: Record<string, unknown>;
  readonly context: Context;
  readonly refreshMs: number;
}

/** Runs a command again and again and shows it on a screen of its own, until the signal ends it. */
export async function watchOnScreen(
  command: Extract<Command, { kind: "value" }>,
  { input, context, refreshMs }: WatchOptions,
): Promise<never> {
  const { world: { terminal: { stdout }, clock }, signal } = context;
  await using screen = openScreen(stdout);
  let last: Frame | undefined;
  for (;;) {
    const notes: string[] = [];
    const note = (text: string) => void (notes.includes(text) || notes.push(text));
    try {
      const output = await command.run(input, { ...context, note, progress: () => {} });
      last = frameOf(command, output, context);
    } catch (error) {
      // What was there a moment ago and cannot be asked now may be there again in a moment.
      if (last === undefined || signal.aborted || !isPassing(error)) throw error;
      notes.push(`error: ${error.message}`);
    }
    const frame = last;
    const below = context.globals.quiet ? "" : notes.map((text) => `${safeText(text)}\n`).join("");
    await screen.show((columns) => frame(columns) + below);
    await clock.sleep(refreshMs, signal);
  }
}

function isPassing(error: unknown): error is GpuError {
  return error instanceof GpuError && error.kind === "failed";
}

function frameOf(command: Extract<Command, { kind: "value" }>, output: unknown, context: Context): Frame {
  const { world, globals: { color, quiet } } = context;
  const now = world.clock.now();
  return (columns) =>
    render(command.view(output, { now, isTTY: true, columns, isColored: color }), { isTTY: true, columns, color })
      .filter(({ to }) => to === "stdout" || !quiet)
      .map(({ chunk }) => typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk)).join("");
}
