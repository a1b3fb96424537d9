import type { Sink, Terminal } from "../world.ts";
import { frameKinds, rawPayload, type Send, streams } from "./frames.ts";
import { Inflow, Outflow } from "./streams.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** What the terminal of who asked is like. */
export interface TerminalFacts {
  readonly stdin: { readonly isTTY: boolean };
  readonly stdout: Size & { readonly isTTY: boolean };
  readonly stderr: Size & { readonly isTTY: boolean };
}

/** The terminal of another process, at the other end of a socket. */
export interface RelayedTerminal extends Terminal {
  /** What arrives for it. */
  readonly stdinFlow: Inflow;
  readonly outflows: readonly [stdout: Outflow, stderr: Outflow];
  resize(size: Size): void;
}

/** `commit` is called before anything is written or read: from then on the other process cannot do it itself. */
export function relayedTerminal(facts: TerminalFacts, send: Send, commit: () => Promise<void>): RelayedTerminal {
  let size: Size = facts.stdout;
  const listeners = new Set<() => void>();
  const stdinFlow = new Inflow(send, streams.stdin);
  const stdoutFlow = new Outflow(send, streams.stdout);
  const stderrFlow = new Outflow(send, streams.stderr);
  const sinkOf = (flow: Outflow, { isTTY }: { isTTY: boolean }): Sink => ({
    isTTY,
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
    async write(text) {
      await commit();
      await flow.write(typeof text === "string" ? new TextEncoder().encode(text) : text);
    },
    onResize(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  });
  return {
    stdinFlow,
    outflows: [stdoutFlow, stderrFlow],
    stdin: {
      isTTY: facts.stdin.isTTY,
      async *read({ raw = false, signal } = {}) {
        if (signal?.aborted) return;
        await commit();
        send(frameKinds.read, rawPayload(raw));
        try {
          yield* stdinFlow.read(signal);
        } finally {
          send(frameKinds.halt);
        }
      },
    },
    stdout: sinkOf(stdoutFlow, facts.stdout),
    stderr: sinkOf(stderrFlow, facts.stderr),
    resize(next) {
      size = next;
      for (const listener of listeners) listener();
    },
  };
}
