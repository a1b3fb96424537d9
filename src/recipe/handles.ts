import type { Plan } from "../command.ts";
import type { Duration } from "../duration.ts";
import type { UsedInstance } from "../instance/use.ts";
import type { SyncResult } from "../transfer/synced.ts";
import type { BoxGpu } from "./box-gpus.ts";
import type { DetachedJob } from "./detached-job.ts";
import type { Repeated } from "./every.ts";
import type { LeaseEndOptions, WatchedLease } from "./lease-end.ts";
import type { Executor, Shell, ShellCommand } from "./shell.ts";
import type { TunnelHandle, TunnelOptions, TunnelParts } from "./tunnel-handle.ts";

export type { Forward, TunnelHandle, TunnelOptions } from "./tunnel-handle.ts";

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

/**
 * An instance that a recipe rented. It is stopped when its scope or the run ends, unless `keep` was called.
 *
 * ```ts
 * await using box = await gpu.start({ type: "gpu_1x_a10", hours: 2 });
 * await box.sync(".", "project");
 * await box.$`cd project && python3 train.py --epochs ${3}`;
 * ```
 */
export interface InstanceHandle extends AsyncDisposable {
  /** As `gpu status` shows it: every command takes it, or the beginning of it. */
  readonly id: string;
  /** As it was named, or as its provider named it. */
  readonly name: string;
  /** When it is stopped, as its lease stands at this moment. */
  readonly expiresAt: Date;
  /** A command of the instance's shell; each value is quoted. It starts when it is awaited. */
  readonly $: Shell;
  /** The same for a command that is text already. */
  exec(command: string): ShellCommand;
  /**
   * Starts a line of its shell that goes on by itself, also when the connection or this computer is gone.
   *
   * ```ts
   * const job = await box.job("train", "python3 train.py", { cwd: "project" });
   * for await (const line of job.log()) console.log(line);
   * const { exitCode } = await job.wait();
   * ```
   */
  job(name: string, command: string, options?: BoxJobOptions): Promise<DetachedJob>;
  /**
   * Opens ports here that lead to the instance, or back, until the scope ends: to its CI server when nothing is said. It
   * reconnects by itself, and the ports stay.
   *
   * ```ts
   * await using tunnel = await box.tunnel({ forward: ["0:8000"] });
   * const models = await fetch(`${tunnel.url}/v1/models`);
   * ```
   */
  tunnel(options?: TunnelOptions): Promise<TunnelHandle>;
  /**
   * Copies a file or a folder there: into a folder that is there, else under that name. A lost connection is opened
   * again, and the copy gone on with.
   */
  upload(from: string, to: string): Promise<void>;
  /** The same from there to here. */
  download(from: string, to: string): Promise<void>;
  /**
   * Makes a folder there like one here, or with `pull` the other way round; only what changed is sent. Several at once
   * take turns, and what a lost connection broke off is done again.
   *
   * ```ts
   * await box.sync(".", "project", { delete: true });
   * await box.sync("checkpoints", "project/checkpoints", { pull: true });
   * ```
   */
  sync(dir: string, path: string, options?: BoxSyncOptions): Promise<SyncResult>;
  /** Its GPUs as `nvidia-smi` tells of them now; none where there is no GPU or no driver. */
  gpus(): Promise<BoxGpu[]>;
  /** How it is now, as `gpu status <id>` shows it: its state, cost until now, GPU use and idle time. */
  status(): Promise<UsedInstance>;
  /**
   * Makes its lease longer by `hours`. It spends: the recipe's budget has to cover it. Returns when it ends now.
   *
   * ```ts
   * if (box.expiresAt.getTime() - Date.now() < 600_000) await box.extend({ hours: 1 });
   * ```
   */
  extend(options: { hours: number }): Promise<Date>;
  /**
   * Lets the instance live on when the run ends: for `hours` from now, or until its lease ends when left out. What that
   * costs beyond its lease has to be in the budget.
   */
  keep(options: { hours?: number; why: string }): Promise<void>;
  /**
   * Does something again and again, as saving results: the first time when one interval is over, and each time when one
   * is over since it was done. The recipe goes on meanwhile. What fails here is said and tried again in its turn.
   *
   * ```ts
   * const saving = box.every("10m", () => box.sync("checkpoints", "project/checkpoints", { pull: true }));
   * await box.$`python3 train.py`;
   * await saving.stop();
   * ```
   */
  every(interval: Duration, work: (box: InstanceHandle) => unknown): Repeated;
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
  /** Stops it now, for good. What was opened to it is closed. */
  stop(): Promise<void>;
}

/** Of `box.job`. */
export interface BoxJobOptions {
  /** Folder there that it runs in; the home when left out. */
  readonly cwd?: string;
  /** Variables for it, secrets too: they are in no list of processes and in no log. */
  readonly env?: Readonly<Record<string, string>>;
}

/** As the flags of `gpu sync`. */
export interface BoxSyncOptions {
  /** From there to here. */
  readonly pull?: boolean;
  /** Deletes what the source does not have. */
  readonly delete?: boolean;
  /** Patterns of what is left out, beside what is ignored. */
  readonly exclude?: readonly string[];
  /** Obey `.gitignore` and `.gpuignore`; `true` when left out. */
  readonly ignore?: boolean;
  /** Compare contents where size and time are the same. */
  readonly checksum?: boolean;
}

/** What an instance is made of: the command that returns one gives these. Each gets the signal that ends it. */
export interface InstanceParts {
  readonly id: string;
  readonly name: string;
  readonly execute: Executor;
  startJob(name: string, command: string, options: BoxJobOptions): Promise<DetachedJob>;
  openTunnel(options: TunnelOptions, signal: AbortSignal | undefined): Promise<TunnelParts>;
  upload(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
  download(from: string, to: string, signal: AbortSignal | undefined): Promise<void>;
  sync(dir: string, path: string, options: BoxSyncOptions, signal: AbortSignal | undefined): Promise<SyncResult>;
  gpus(signal: AbortSignal | undefined): Promise<BoxGpu[]>;
  status(): Promise<UsedInstance>;
  /** What a longer lease costs, refused where a budget of the configuration does not allow it. */
  planExtension(hours: number): Promise<Plan>;
  extend(hours: number): Promise<unknown>;
  keep(options: { hours: number | undefined; why: string }): Promise<void>;
  readonly lease: WatchedLease;
  /** When the lease ends, in milliseconds since 1970; also of an instance that is gone. */
  leaseEndsAt(): number;
  /** The run rented it, so it ends with the run; what somebody else rented is only let go of. */
  readonly isOurs: boolean;
  /** Closes what was opened to it. */
  close(): Promise<void>;
  /** Must not end with the run's signal: it is called because that fired. */
  stop(): Promise<void>;
}
