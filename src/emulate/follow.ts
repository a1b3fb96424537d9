import type { Context } from "../command.ts";
import { EventQueue } from "../event-queue.ts";
import { runBeside } from "../beside.ts";
import { type EmulatorEvent, eventText } from "./events.ts";
import { emulateLambda, type EmulateLambdaOptions } from "./lambda.ts";

interface Following {
  readonly context: Context;
  readonly options: Omit<EmulateLambdaOptions, "world" | "onRequest" | "onLog">;
  /** Runs with the emulator's address in its environment; the emulator ends with it. */
  readonly command: readonly string[] | undefined;
}

/** An emulator from its start until the signal, or the command, ends it: what it says. */
export async function* followEmulator({ context, options, command }: Following): AsyncGenerator<EmulatorEvent> {
  const { world, signal, globals, note } = context;
  const queue = new EventQueue<EmulatorEvent>();
  // Beside a command, stdout is the command's.
  const isBeside = command !== undefined && !globals.json;
  const say = (event: EmulatorEvent) => isBeside ? note(eventText(event)) : queue.push(event);
  // On a terminal the command draws, and a line of ours would stand in the middle of that.
  const isDrawnOn = isBeside && world.terminal.stdout.isTTY && world.terminal.stderr.isTTY && !globals.verbose;
  const emulator = await emulateLambda({
    ...options,
    world,
    onRequest: (seen) =>
      isDrawnOn ? undefined : say({ type: "request", at: new Date(world.clock.now()).toISOString(), ...seen }),
    onLog: (line) => globals.verbose ? note(line) : undefined,
  });
  let exitCode: number | null = null;
  let left = 0;
  try {
    const { url, key, seed, leftovers } = emulator;
    say({ type: "listening", url, key, seed, leftovers });
    signal.addEventListener("abort", queue.close, { once: true });
    if (signal.aborted) queue.close();
    const environment = { LAMBDA_API_KEY: key, LAMBDA_API_URL: url, GPU_PROVIDER: world.env.GPU_PROVIDER || "lambda" };
    const ran = command && runBeside({ command, environment, context }).finally(queue.close);
    ran?.catch(() => {});
    yield* queue.items();
    if (ran) exitCode = await ran;
  } finally {
    signal.removeEventListener("abort", queue.close);
    left = emulator.bill().left;
    await emulator[Symbol.asyncDispose]();
  }
  const { made, total_cents } = emulator.bill();
  yield { type: "ended", exitCode, made, left, costDollars: total_cents / 100 };
  if (command === undefined) signal.throwIfAborted();
}
