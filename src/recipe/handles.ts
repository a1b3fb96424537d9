import { GpuError, UsageError } from "../errors.ts";
import { trackCall } from "./calls.ts";
import { findRun } from "./current.ts";
import { createShell, type Executor, type Shell, type ShellCommand, shellCommand } from "./shell.ts";

/** What the functions of a recipe return beside their output, by command: `gpu.d.ts` is made with these names. */
export const handleTypes: Readonly<Record<string, string>> = {
  "start": "InstanceHandle",
  "instance create": "InstanceHandle",
  "wait": "InstanceHandle",
  "tunnel start": "TunnelHandle",
  "ci submit test": "JobHandle",
  "ci wait": "JobHandle",
};

/** An instance that a recipe rented. It is stopped when its scope or the run ends, unless `keep` was called. */
export interface InstanceHandle extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  /** A command of the instance's shell; each value is quoted. It starts when it is awaited. */
  readonly $: Shell;
  /** The same for a command that is text already. */
  exec(command: string): ShellCommand;
  /** Forwards local ports to the instance until the scope ends: `8000:8000`, `0:ci`, where 0 is any free port. */
  tunnel(options?: TunnelOptions): Promise<TunnelHandle>;
  upload(from: string, to: string): Promise<void>;
  download(from: string, to: string): Promise<void>;
  /** Lets the instance live on when the run ends, for that long. */
  keep(options: { hours: number; why: string }): Promise<void>;
  stop(): Promise<void>;
}

export interface TunnelOptions {
  readonly forward?: readonly string[];
}

/** What an instance is made of: the command that returns one gives these. Each gets the signal that ends it. */
export interface InstanceParts {
  readonly id: string;
  readonly name: string;
  readonly execute: Executor;
  openTunnel(forward: readonly string[], signal: AbortSignal | undefined): Promise<TunnelParts>;
  upload(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
  download(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
  keep(options: { hours: number; why: string }): Promise<void>;
  /** The run rented it, so it ends with the run; what somebody else rented is only let go of. */
  readonly isOurs: boolean;
  /** Closes what was opened to it. */
  close(): Promise<void>;
  /** Must not end with the run's signal: it is called because that fired. */
  stop(): Promise<void>;
}

export function instanceHandle(parts: InstanceParts): InstanceHandle {
  const { id, name, execute } = parts;
  let isKept = false;
  let stopping: Promise<void> | undefined;
  // Once, but a stop that failed is tried again at the end of the run.
  const stop = () =>
    stopping ??= parts.stop().catch((error) => {
      stopping = undefined;
      throw error;
    });
  const signal = () => findRun()?.context.signal;

  return {
    id,
    name,
    $: createShell("box.$", execute),
    exec: (command) => shellCommand("box.exec", command, execute),
    tunnel: ({ forward = ["0:ci"] } = {}) =>
      trackCall("box.tunnel", async () => {
        const tunnel = tunnelHandle(await parts.openTunnel(forward, signal()));
        findRun()?.own(tunnel);
        return tunnel;
      }),
    upload: (from, to) => trackCall("box.upload", () => parts.upload(from, to, signal())),
    download: (from, to) => trackCall("box.download", () => parts.download(from, to, signal())),
    keep: (options) =>
      trackCall("box.keep", async () => {
        if (!(options.hours > 0) || !Number.isFinite(options.hours)) {
          throw new UsageError(`\`box.keep\`: \`hours\` is \`${options.hours}\`, and keeping has to end`);
        }
        if (options.why.trim() === "") throw new UsageError("`box.keep`: `why` is empty");
        await parts.keep(options);
        isKept = true;
      }),
    stop: () => trackCall("box.stop", stop),
    [Symbol.asyncDispose]: () => isKept || !parts.isOurs ? parts.close() : stop(),
  };
}

/** Ports here that lead to an instance, until the scope or the run ends. */
export interface TunnelHandle extends AsyncDisposable {
  readonly forwards: readonly Forward[];
  /** `http://127.0.0.1:PORT` of the first forward. */
  readonly url: string;
  /** Address and key of the instance's CI server, as `gpu.ci.submit.test` takes them. */
  ci(): { server: string; apiKey: string };
  close(): Promise<void>;
}

export interface Forward {
  readonly localPort: number;
  /** As it was asked for: `ci`, `8000`. */
  readonly remote: string;
  readonly url: string;
}

export interface TunnelParts {
  readonly forwards: readonly { readonly localPort: number; readonly remote: string }[];
  /** The secret that the instance's own services ask for. */
  readonly agentToken: string | undefined;
  close(): Promise<void>;
}

export function tunnelHandle({ forwards, agentToken, close }: TunnelParts): TunnelHandle {
  const open = forwards.map(({ localPort, remote }) => ({ localPort, remote, url: `http://127.0.0.1:${localPort}` }));
  const [first] = open;
  if (first === undefined) {
    throw new UsageError("a tunnel forwards at least one port", { hint: '`forward: ["8000:8000"]`' });
  }
  let closing: Promise<void> | undefined;
  const closeOnce = () => closing ??= close();
  const handle: TunnelHandle = {
    forwards: open,
    url: first.url,
    ci() {
      const ci = open.find(({ remote }) => remote === "ci");
      if (ci && agentToken !== undefined) return { server: ci.url, apiKey: agentToken };
      if (ci) throw new GpuError("the instance has no agent, so it has no CI server");
      throw new UsageError("the tunnel does not lead to the instance's CI server", {
        hint: '`box.tunnel({ forward: ["0:ci"] })` opens one that does',
      });
    },
    // As its scope does it, so that the run knows that it is closed.
    close: async () => await handle[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: closeOnce,
  };
  return handle;
}
