import type { Socket } from "node:net";
import type { ChildProcess } from "node:child_process";

/**
 * All that is outside of `gpu`: the clock, chance, the network, processes, the terminal, and where its files are.
 * `main.ts` builds the real one; tests build theirs, so whole commands run in memory with a fake clock.
 * Files are read and written with `node:fs`, always below `cwd` or one of `folders`.
 */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  readonly cwd: string;
  readonly home: string;
  readonly folders: Folders;
  /** The command that starts this executable again: `[execPath]`, or `[bun, main.ts]` when not compiled. */
  readonly self: readonly string[];
  readonly clock: Clock;
  readonly terminal: Terminal;
  /** The system's own store for secrets; absent where there is none. */
  readonly keychain?: Keychain;
  random(byteCount: number): Uint8Array;
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
  /**
   * Opens a TCP connection, with TCP_NODELAY. Rejects with the system error, or when the signal fires. With
   * `allowHalfOpen` the end of the other side does not end ours.
   */
  dial(to: { host: string; port: number; signal?: AbortSignal; allowHalfOpen?: boolean }): Promise<Socket>;
  spawn(command: readonly string[], options: SpawnOptions): ChildProcess;
  /** Lets signals end this process also while its code spins and never comes back, until disposed. Not everywhere. */
  hearSignals?(): Disposable;
  /** Says what was done, for `--verbose`; absent without it. Requests through `fetch` say it of themselves. */
  trace?(text: string): void;
}

/** Absolute paths; nothing makes them before something is written there. */
export interface Folders {
  readonly config: string;
  readonly state: string;
  readonly cache: string;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since some moment, with fractions; never goes back. For measuring. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Each call may take as long as a person needs to unlock it, or never end. */
export interface Keychain {
  get(name: string): Promise<string | undefined>;
  set(name: string, value: string): Promise<void>;
  delete(name: string): Promise<void>;
}

export interface SpawnOptions {
  readonly cwd: string;
  /** The whole environment of the child; see `childEnvironment` in env.ts. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A session of its own, not ended with ours. */
  readonly detached?: boolean;
  readonly stdin: "ignore" | "pipe" | "inherit";
  readonly stdout: "ignore" | "pipe" | "inherit" | number;
  readonly stderr: "ignore" | "pipe" | "inherit" | number;
}

export interface Terminal {
  readonly stdin: Input;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

export interface Sink {
  readonly isTTY: boolean;
  /** Width in cells; 80 where it is not known. */
  readonly columns: number;
  readonly rows: number;
  /** Resolves when the text is handed to the system: awaiting it is backpressure. */
  write(text: string | Uint8Array): Promise<void>;
  onResize(listener: () => void): Disposable;
}

export interface Input {
  readonly isTTY: boolean;
  /**
   * The bytes as they come; ends at end of file. In raw mode keys arrive one by one and Ctrl-C is a byte; `both`: what
   * is written meanwhile goes out as it is, too.
   */
  read(options?: { raw?: boolean | "both"; signal?: AbortSignal }): AsyncIterable<Uint8Array>;
}
