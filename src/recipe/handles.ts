import { GpuError, UsageError } from "../errors.ts";
import { trackCall } from "./calls.ts";
import { findRun } from "./current.ts";
import type { DetachedJob } from "./detached-job.ts";
import { LeaseEnd, type LeaseEndOptions, type WatchedLease } from "./lease-end.ts";
import type { SyncResult } from "../transfer/synced.ts";
import { createShell, type Executor, type Shell, type ShellCommand, shellCommand } from "./shell.ts";

/** What the functions of a recipe return beside their output, by command: `gpu.d.ts` is made with these names. */
export const handleTypes: Readonly<Record<string, string>> = {
  "start": "InstanceHandle",
  "instance create": "InstanceHandle",
  "wait": "InstanceHandle",
  "tunnel start": "TunnelHandle",
  "sync": "SyncHandle",
  "ci submit test": "JobHandle",
  "ci wait": "JobHandle",
  "exec": "Ran",
};

/** An instance that a recipe rented. It is stopped when its scope or the run ends, unless `keep` was called. */
export interface InstanceHandle extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  /** A command of the instance's shell; each value is quoted. It starts when it is awaited. */
  readonly $: Shell;
  /** The same for a command that is text already. */
  exec(command: string): ShellCommand;
  /** Starts a line of its shell that goes on by itself, also when the connection or this computer is gone. */
  job(name: string, command: string): Promise<DetachedJob>;
  /** Forwards local ports to the instance until the scope ends: `8000:8000`, `0:ci`, where 0 is any free port. */
  tunnel(options?: TunnelOptions): Promise<TunnelHandle>;
  /** Copies a file or a folder there, or from there: into a folder that is there, else under that name. */
  upload(from: string, to: string): Promise<void>;
  download(from: string, to: string): Promise<void>;
  /** Makes a folder there like one here, or with `pull` the other way round; only what changed is sent. */
  sync(dir: string, path: string, options?: BoxSyncOptions): Promise<SyncResult>;
  /** Lets the instance live on when the run ends, for that long. */
  keep(options: { hours: number; why: string }): Promise<void>;
  /**
   * Does something in time before the lease ends, as saving results: `before` it by `"10m"`, or when half of a short
   * lease is over; again where the lease was extended and comes to its new end. The recipe goes on meanwhile, and the
   * instance is not stopped by it before this is done. What fails here is said; it never keeps the instance, and at the
   * end of the lease it is cut off.
   *
   * ```ts
   * await using box = await gpu.start({ hours: 2 });
   * box.onLeaseEnd((box) => box.download("checkpoints", "."), { before: "15m" });
   * await box.$`python3 train.py`;
   * ```
   */
  onLeaseEnd(handler: (box: InstanceHandle) => unknown, options?: LeaseEndOptions): void;
  stop(): Promise<void>;
}

/** As the flags of `gpu sync`. */
export interface BoxSyncOptions {
  readonly pull?: boolean;
  /** Deletes what the source does not have. */
  readonly delete?: boolean;
  readonly exclude?: readonly string[];
  /** Obey `.gitignore` and `.gpuignore`; `true` when left out. */
  readonly ignore?: boolean;
  readonly checksum?: boolean;
}

export interface TunnelOptions {
  readonly forward?: readonly string[];
}

/** What an instance is made of: the command that returns one gives these. Each gets the signal that ends it. */
export interface InstanceParts {
  readonly id: string;
  readonly name: string;
  readonly execute: Executor;
  startJob(name: string, command: string): Promise<DetachedJob>;
  openTunnel(forward: readonly string[], signal: AbortSignal | undefined): Promise<TunnelParts>;
  upload(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
  download(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
  sync(dir: string, path: string, options: BoxSyncOptions, signal: AbortSignal | undefined): Promise<SyncResult>;
  keep(options: { hours: number; why: string }): Promise<void>;
  readonly lease: WatchedLease;
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
  const leaseEnd = new LeaseEnd(parts.lease);
  // Once, but a stop that failed is tried again at the end of the run.
  const stop = async () => {
    await leaseEnd.close();
    await (stopping ??= parts.stop().catch((error) => {
      stopping = undefined;
      throw error;
    }));
  };
  const letGo = async () => {
    await leaseEnd.close();
    await parts.close();
  };
  const signal = () => findRun()?.context.signal;

  const handle: InstanceHandle = {
    id,
    name,
    $: createShell("box.$", execute),
    exec: (command) => shellCommand("box.exec", command, execute),
    job: (name, command) => trackCall("box.job", () => parts.startJob(name, command)),
    tunnel: ({ forward = ["0:ci"] } = {}) =>
      trackCall("box.tunnel", async () => {
        const tunnel = tunnelHandle(await parts.openTunnel(forward, signal()));
        findRun()?.own(tunnel);
        return tunnel;
      }),
    upload: (from, to) => trackCall("box.upload", () => parts.upload(from, to, signal())),
    download: (from, to) => trackCall("box.download", () => parts.download(from, to, signal())),
    sync: (dir, path, options = {}) => trackCall("box.sync", () => parts.sync(dir, path, options, signal())),
    keep: (options) =>
      trackCall("box.keep", async () => {
        if (!(options.hours > 0) || !Number.isFinite(options.hours)) {
          throw new UsageError(`\`box.keep\`: \`hours\` is \`${options.hours}\`, and keeping has to end`);
        }
        if (options.why.trim() === "") throw new UsageError("`box.keep`: `why` is empty");
        await parts.keep(options);
        isKept = true;
      }),
    onLeaseEnd: (handler, options) => leaseEnd.add(() => handler(handle), options),
    stop: () => trackCall("box.stop", stop),
    [Symbol.asyncDispose]: () => isKept || !parts.isOurs ? letGo() : stop(),
  };
  return handle;
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
