// A command over a shared session runs in the background process; this is all that the foreground then loads.
import { homedir } from "node:os";
import { resolve } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { buildOf } from "./background/build.ts";
import {
  type Frame,
  frameKinds,
  jsonPayload,
  readAck,
  readJson,
  readRaw,
  sizePayload,
  streams,
} from "./background/frames.ts";
import { backgroundPlace, isPlaceOurs } from "./background/place.ts";
import { Inflow, Outflow } from "./background/streams.ts";
import { connectWire, type Wire } from "./background/wire.ts";
import { Ends } from "./ends.ts";
import { exitCodes, InterruptedError, systemCode } from "./errors.ts";
import { reasonOf } from "./files.ts";
import { foldersOf } from "./folders.ts";

/** Flags of `gpu exec` that mean the same wherever it runs. With any other the command runs here. */
const plainFlags = [
  "--accept-new",
  "--cwd",
  "--env",
  "--host",
  "--identity",
  "-i",
  "--json",
  "--no-color",
  "--no-ssh-config",
  "--port",
  "--profile",
  "--provider",
  "--quiet",
  "--timeout",
  "--user",
  "--verbose",
  "--yes",
];

/** How long the background process may take to say whether it does it. */
const answerMs = 3_000;

/** As ssh: what goes wrong with the connection is not taken for the command's own exit code. */
const connectionExitCode = 255;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the command line is one that the background process may run; it decides whether it does. */
export function mayBeShared(argv: readonly string[], env: Environment): boolean {
  const dashes = argv.indexOf("--");
  if (argv[0] !== "exec" || dashes < 0 || env.GPU_NO_SHARE) return false;
  return argv.slice(1, dashes).every((word) => !word.startsWith("-") || plainFlags.includes(word.split("=")[0] ?? ""));
}

/**
 * Lets the background process run the command line, where one lives that would. Returns its exit code, or undefined
 * where the command is still to be run, and nothing of it was done.
 */
export async function takeShortcut(
  process: NodeJS.Process,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<number | undefined> {
  const { env, platform } = process;
  const home = resolve(env.HOME || homedir());
  const folders = foldersOf(platform, env, home);
  const { socket } = backgroundPlace({ folders, platform });
  if (!isPlaceOurs(socket, platform)) return undefined;
  using ends = await Ends.open(process);
  const visit = new Visit(ends, argv.slice(0, argv.indexOf("--")).includes("--json"));
  const wire = await connectWire(socket, (frame) => visit.take(frame));
  if (!wire) return undefined;
  using _wire = wire;
  const { stdin, stdout, stderr } = ends;
  return await visit.run(wire, signal, {
    want: "command",
    build: buildOf(packageJson.version, process.execPath),
    argv,
    env,
    cwd: process.cwd(),
    home,
    folders,
    terminal: { stdin, stdout, stderr },
  });
}

/** One command line that runs elsewhere. */
class Visit {
  readonly #ends: Ends;
  readonly #isJson: boolean;
  readonly #end = Promise.withResolvers<number | undefined>();
  #stdin: Outflow | undefined;
  #stdout: Inflow | undefined;
  #stderr: Inflow | undefined;
  #isAccepted = false;
  #isPipeClosed = false;
  #writeFailure: unknown;
  #isDone = false;
  #isLost = false;

  constructor(ends: Ends, isJson: boolean) {
    this.#ends = ends;
    this.#isJson = isJson;
  }

  async run(wire: Wire, signal: AbortSignal, opening: Readonly<Record<string, unknown>>): Promise<number | undefined> {
    const { send } = wire;
    const stdout = this.#stdout = new Inflow(send, streams.stdout);
    const stderr = this.#stderr = new Inflow(send, streams.stderr);
    this.#stdin = new Outflow(send, streams.stdin);
    const onSignal = () => {
      const name = signal.reason instanceof InterruptedError ? signal.reason.signal : "SIGTERM";
      send(frameKinds.signal, new TextEncoder().encode(name));
    };
    if (signal.aborted) onSignal();
    signal.addEventListener("abort", onSignal, { once: true });
    this.#ends.onResize((size) => send(frameKinds.resize, sizePayload(size)));
    send(frameKinds.open, jsonPayload(opening));
    void wire.closed.then(() => this.#lost());
    const written = Promise.all([
      this.#copy(stdout, Bun.stdout.writer(), () => send(frameKinds.unread, Uint8Array.of(streams.stdout))),
      this.#copy(stderr, Bun.stderr.writer(), () => send(frameKinds.unread, Uint8Array.of(streams.stderr))),
    ]);
    const late = setTimeout(() => this.#isAccepted || this.#end.resolve(undefined), answerMs);
    const exitCode = await this.#end.promise;
    clearTimeout(late);
    signal.removeEventListener("abort", onSignal);
    this.#ends[Symbol.dispose]();
    stdout.end();
    stderr.end();
    await written;
    if (this.#isLost) await Bun.stderr.write(lostText(this.#isJson));
    if (this.#writeFailure !== undefined) {
      const message = `cannot write the output: ${reasonOf(this.#writeFailure)}`;
      await Bun.stderr.write(errorText({ message }, this.#isJson)).catch(() => {}); // That may be full as well.
      return exitCodes.failed;
    }
    return exitCode !== undefined && this.#isPipeClosed ? exitCodes.done : exitCode;
  }

  /** What the background process says. */
  take({ kind, payload }: Frame): void {
    switch (kind) {
      case frameKinds.accept:
        this.#isAccepted = true;
        return;
      case frameKinds.decline:
        return this.#end.resolve(undefined);
      case frameKinds.data:
        return (payload[0] === streams.stdout ? this.#stdout : this.#stderr)?.push(payload.subarray(1));
      case frameKinds.ack:
        return this.#stdin?.acknowledge(readAck(payload).byteCount);
      case frameKinds.read:
        return this.#stdin && this.#ends.read(readRaw(payload), this.#stdin);
      case frameKinds.halt:
        return this.#ends.halt();
      case frameKinds.done: {
        this.#isDone = true;
        const done = readJson(payload);
        const isExit = typeof done === "object" && done !== null && "exitCode" in done;
        return this.#end.resolve(isExit && typeof done.exitCode === "number" ? done.exitCode : exitCodes.bug);
      }
    }
  }

  /** The background process is gone: killed, most likely. What was not begun is still to be run. */
  #lost(): void {
    if (this.#isDone) return;
    this.#isLost = this.#isAccepted;
    this.#end.resolve(this.#isAccepted ? connectionExitCode : undefined);
  }

  async #copy(from: Inflow, to: Bun.FileSink, onClosed: () => void): Promise<void> {
    let isClosed = false;
    for await (const bytes of from.read()) {
      if (isClosed) continue;
      try {
        await to.write(bytes);
        await to.flush();
      } catch (error) {
        isClosed = true;
        if (systemCode(error) === "EPIPE") this.#isPipeClosed = true;
        else this.#writeFailure ??= error;
        onClosed();
      }
    }
  }
}

function lostText(isJson: boolean): string {
  const message = "the background process ended while it was at work; how far it came is not known";
  return errorText({ message, hint: "`--no-share` does without it" }, isJson);
}

/** As app.ts shows an error. */
function errorText({ message, hint }: { message: string; hint?: string }, isJson: boolean): string {
  return isJson
    ? `${JSON.stringify({ error: { kind: "failed", message, hint } })}\n`
    : `error: ${message}\n${hint === undefined ? "" : `hint: ${hint}\n`}`;
}
