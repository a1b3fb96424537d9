import packageJson from "../../package.json" with { type: "json" };
import { InterruptedError } from "../errors.ts";
import { SshError } from "../ssh/failure.ts";
import type { Terminal, World } from "../world.ts";
import { buildOf } from "./build.ts";
import { type Frame, frameKinds, jsonPayload, readAck, readJson, readRaw, sizePayload, streams } from "./frames.ts";
import { backgroundPlace, isPlaceOurs } from "./place.ts";
import { Inflow, Outflow } from "./streams.ts";
import { Done, type Opening, type Visitor } from "./visit-protocol.ts";
import { connectWire, type Wire } from "./wire.ts";

/** What is handed to the work of another process, and what comes back of it. */
export interface VisitEnds {
  /** Called each time the other process wants to read; what it gives is sent until it ends or `signal` fires. */
  read?(options: { raw: boolean | "both"; signal: AbortSignal }): AsyncIterable<Uint8Array>;
  onStdout?(bytes: Uint8Array): void | Promise<void>;
  onStderr?(bytes: Uint8Array): void | Promise<void>;
  onResize?(listener: (size: { columns: number; rows: number }) => void): Disposable;
  readonly signal?: AbortSignal;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** What is wanted, without what every visit says of who asks. */
export type Wish = DistributiveOmit<Opening, keyof Visitor>;

/**
 * Asks the background process for something, and waits until it is done. Undefined where that does not do it: then
 * nothing was begun. Rejects where it was begun and nobody knows how it ended.
 */
export async function visit(
  world: Pick<World, "env" | "cwd" | "home" | "folders" | "platform" | "self" | "terminal">,
  wish: Wish,
  ends: VisitEnds,
): Promise<Done | undefined> {
  const { socket } = backgroundPlace(world);
  if (!isPlaceOurs(socket, world.platform)) return undefined;
  const talk = new Talk(ends);
  using wire = await connectWire(socket, (frame) => talk.take(frame));
  if (!wire) return undefined;
  return await talk.run(wire, { ...visitorOf(world), ...wish });
}

function visitorOf({ env, cwd, home, folders, self, terminal }: Parameters<typeof visit>[0]) {
  const { stdin, stdout, stderr } = terminal;
  const size = ({ isTTY, columns, rows }: Terminal["stdout"]) => ({ isTTY, columns, rows });
  return {
    build: buildOf(packageJson.version, self[0] ?? ""),
    env,
    cwd,
    home,
    folders,
    terminal: { stdin: { isTTY: stdin.isTTY }, stdout: size(stdout), stderr: size(stderr) },
  };
}

class Talk {
  readonly #ends: VisitEnds;
  readonly #end = Promise.withResolvers<Done | undefined>();
  #stdin: Outflow | undefined;
  #stdout: Inflow | undefined;
  #stderr: Inflow | undefined;
  #reading = new AbortController();
  #isAccepted = false;
  /** What went wrong here: it ends the work there. */
  #broken: { error: unknown } | undefined;

  constructor(ends: VisitEnds) {
    this.#ends = ends;
  }

  async run(wire: Wire, opening: object): Promise<Done | undefined> {
    const { signal, onStdout, onStderr, onResize } = this.#ends;
    const { send } = wire;
    this.#stdin = new Outflow(send, streams.stdin);
    const stdout = this.#stdout = new Inflow(send, streams.stdout);
    const stderr = this.#stderr = new Inflow(send, streams.stderr);
    const onAbort = () => {
      const name = signal?.reason instanceof InterruptedError ? signal.reason.signal : "SIGTERM";
      send(frameKinds.signal, new TextEncoder().encode(name));
    };
    using _resize = onResize?.((size) => send(frameKinds.resize, sizePayload(size)));
    send(frameKinds.open, jsonPayload(opening));
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    void wire.closed.then(() => this.#isAccepted ? this.#end.reject(lost()) : this.#end.resolve(undefined));
    const deliver = async (from: Inflow, to: VisitEnds["onStdout"], stream: number) => {
      for await (const bytes of from.read()) {
        if (this.#broken) continue;
        try {
          await to?.(bytes);
        } catch (error) {
          this.#broken = { error };
          send(frameKinds.unread, Uint8Array.of(stream));
        }
      }
    };
    const delivered = Promise.all([
      deliver(stdout, onStdout, streams.stdout),
      deliver(stderr, onStderr, streams.stderr),
    ]);
    try {
      const done = await this.#end.promise;
      stdout.end();
      stderr.end();
      await delivered;
      this.#throwBroken();
      return done;
    } catch (error) {
      this.#throwBroken();
      throw error;
    } finally {
      this.#reading.abort(new Error("it is over"));
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** What went wrong here is the reason of all that follows from it there. */
  #throwBroken(): void {
    if (this.#broken) throw this.#broken.error;
  }

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
        return void this.#read(readRaw(payload));
      case frameKinds.halt:
        return this.#reading.abort(new Error("nobody reads it now"));
      case frameKinds.done:
        return this.#end.resolve(Done.parse(readJson(payload)));
    }
  }

  async #read(raw: boolean | "both"): Promise<void> {
    const to = this.#stdin;
    const { signal } = this.#reading = new AbortController();
    try {
      for await (const bytes of this.#ends.read?.({ raw, signal }) ?? []) {
        await to?.write(bytes);
        if (signal.aborted) return;
      }
      if (!signal.aborted) to?.end();
    } catch (error) {
      // Nobody takes it any more, or it cannot be read: for the other side that is its end.
      if (signal.aborted || !to) return;
      this.#broken ??= { error };
      to.end();
    }
  }
}

function lost(): SshError {
  return new SshError("the background process ended while it was at work; how far it came is not known", {
    reason: "lost",
    hint: "`--no-share` does without it",
  });
}
