import type { Socket } from "node:net";
import type { Context } from "../command.ts";
import { ClosedPipe, GpuError, InterruptedError, messageOf } from "../errors.ts";
import type { ExecOptions } from "../ssh/exec.ts";
import { SshError } from "../ssh/failure.ts";
import type { World } from "../world.ts";
import {
  encodeFrame,
  frameKinds,
  FrameReader,
  jsonPayload,
  preface,
  readAck,
  readJson,
  readSize,
  type Send,
} from "./frames.ts";
import { type RelayedTerminal, relayedTerminal } from "./relayed-terminal.ts";
import type { Selections } from "./selections.ts";
import { sessionKey } from "./session-key.ts";
import type { Sessions } from "./sessions.ts";
import { Declined, type SharedSessions } from "./shared-sessions.ts";
import { sharingOf } from "./sharing.ts";
import { type Done, type Failure, Opening } from "./visit-protocol.ts";

/** What runs here for a process that asked. */
export interface Guest {
  readonly world: World;
  readonly signal: AbortSignal;
  readonly shared: SharedSessions;
}

/** What the executable can do as a whole, and the background process alone cannot. */
export interface Hosted {
  /** Runs a command line as the foreground would. Returns its exit code. */
  runCommand(argv: readonly string[], guest: Guest): Promise<number>;
  openContext(
    globals: Pick<Context["globals"], "quiet" | "verbose" | "color" | "yes">,
    guest: Guest,
  ): Promise<AsyncDisposable & { readonly context: Context }>;
}

export interface VisitsOptions {
  readonly world: World;
  readonly build: string;
  readonly sessions: Sessions;
  readonly selections: Selections;
  readonly hosted: Hosted;
}

/** Does what one process asks for, over its socket. Resolves when that is over. */
export async function serveVisit(socket: Socket, first: Uint8Array, options: VisitsOptions): Promise<void> {
  const visit = new Visit(socket, options);
  const reader = new FrameReader();
  let isKnown = false;
  let early: Uint8Array = new Uint8Array();
  const take = (chunk: Uint8Array) => {
    try {
      if (!isKnown) {
        early = Buffer.concat([early, chunk]);
        if (early.length < preface.length) return;
        if (!preface.every((byte, index) => early[index] === byte)) throw new Error("another protocol");
        chunk = early.subarray(preface.length);
        isKnown = true;
      }
      for (const { kind, payload } of reader.push(chunk)) visit.take(kind, payload);
    } catch {
      socket.destroy();
    }
  };
  socket.on("data", take);
  take(first);
  socket.resume();
  await visit.over;
}

class Visit {
  readonly #socket: Socket;
  readonly #options: VisitsOptions;
  readonly #ending = new AbortController();
  readonly #over = Promise.withResolvers<void>();
  #terminal: RelayedTerminal | undefined;
  #accepted: Promise<void> | undefined;
  #isDeclined = false;
  readonly #shared: SharedSessions;

  constructor(socket: Socket, options: VisitsOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#shared = sharingOf(options, { commit: this.#commit, decline: this.#decline });
    socket.once("close", () => {
      const gone = new InterruptedError("SIGHUP");
      this.#ending.abort(gone);
      for (const flow of this.#terminal?.outflows ?? []) flow.fail(gone);
      this.#terminal?.stdinFlow.end();
      if (!this.#terminal) this.#over.resolve(); // Nothing was asked for.
    });
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** One frame. Throws at what makes no sense. */
  take(kind: number, payload: Uint8Array): void {
    const terminal = this.#terminal;
    if (kind === frameKinds.open) {
      if (terminal) throw new Error("it was opened already");
      return void this.#open(Opening.parse(readJson(payload)));
    }
    if (!terminal) throw new Error("nothing was asked for yet");
    switch (kind) {
      case frameKinds.data:
        return terminal.stdinFlow.push(payload.subarray(1));
      case frameKinds.end:
        return terminal.stdinFlow.end();
      case frameKinds.ack: {
        const { stream, byteCount } = readAck(payload);
        return terminal.outflows[stream - 1]?.acknowledge(byteCount);
      }
      case frameKinds.signal: {
        const name = new TextDecoder().decode(payload);
        const signal = (["SIGINT", "SIGTERM", "SIGHUP"] as const).find((known) => known === name);
        return this.#ending.abort(new InterruptedError(signal));
      }
      case frameKinds.resize:
        return terminal.resize(readSize(payload));
      case frameKinds.unread: {
        const closed = new ClosedPipe();
        terminal.outflows[(payload[0] ?? 0) - 1]?.fail(closed);
        return this.#ending.abort(closed);
      }
    }
  }

  async #open(opening: Opening): Promise<void> {
    const { env, cwd, home, folders, build } = opening;
    this.#terminal = relayedTerminal(opening.terminal, this.#send, this.#commit);
    const { hearSignals: _ours, ...world } = this.#options.world;
    const guest: Guest = {
      world: { ...world, env, cwd, home, folders, terminal: this.#terminal },
      signal: this.#ending.signal,
      shared: this.#shared,
    };
    try {
      if (build !== this.#options.build) throw new Declined("it is another build");
      const done = await this.#answer(opening, guest);
      if (this.#isDeclined) throw new Declined();
      await this.#commit();
      this.#send(frameKinds.done, jsonPayload(done));
    } catch (error) {
      if (error instanceof Declined) this.#send(frameKinds.decline, jsonPayload(error.message));
    } finally {
      this.#socket.end();
      this.#over.resolve();
    }
  }

  async #answer(opening: Opening, guest: Guest): Promise<Done> {
    const { hosted } = this.#options;
    try {
      switch (opening.want) {
        case "command":
          return { exitCode: await hosted.runCommand(opening.argv, guest) };
        case "login": {
          if (opening.isThere && !this.#options.sessions.has(sessionKey(opening.target, guest.world))) {
            throw new Declined();
          }
          await using opened = await hosted.openContext(opening.globals, guest);
          using _lease = await this.#shared.lease(opened.context, opening.target, guest.signal);
          return { exitCode: 0 };
        }
        case "exec":
          return await this.#exec(opening, guest);
      }
    } catch (error) {
      if (error instanceof Declined) throw error;
      return { failure: failureOf(error) };
    }
  }

  async #exec(opening: Extract<Opening, { want: "exec" }>, { world, signal }: Guest): Promise<Done> {
    const { sessions } = this.#options;
    const { target, command, options: plain, hasStdin } = opening;
    const { stdin, stdout, stderr } = world.terminal;
    using lease = await sessions.lease(sessionKey(target, world), () => Promise.reject(new Declined()), signal);
    await this.#commit();
    const options: ExecOptions = {
      ...plain,
      signal,
      stdin: hasStdin ? stdin.read({ signal }) : undefined,
      onStdout: (chunk) => stdout.write(chunk),
      onStderr: (chunk) => stderr.write(chunk),
      onResize: (listener) => stdout.onResize(() => listener({ columns: stdout.columns, rows: stdout.rows })),
    };
    return await lease.session.exec(command, options);
  }

  readonly #send: Send = (kind, ...payload) => {
    const isHeard = !this.#isDeclined || kind === frameKinds.decline;
    if (isHeard && this.#socket.writable) this.#socket.write(encodeFrame(kind, ...payload));
  };

  /** Tells the other process that it is done here; resolves when it can know. */
  readonly #commit = async (): Promise<void> => {
    if (this.#isDeclined) throw new Declined();
    this.#accepted ??= new Promise((resolve) => this.#socket.write(encodeFrame(frameKinds.accept), () => resolve()));
    await this.#accepted;
  };

  /** Leaves it to the other process, unless that was told that it is done here. */
  readonly #decline = (why: string): void => {
    if (this.#accepted) return;
    this.#isDeclined = true;
    throw new Declined(why);
  };
}

function failureOf(error: unknown): Failure {
  const { hint, kind, exitCode } = error instanceof GpuError
    ? error
    : { hint: undefined, kind: "bug" as const, exitCode: 70 };
  const reason = error instanceof SshError ? error.reason : undefined;
  return { message: messageOf(error), hint, kind, exitCode, reason };
}
