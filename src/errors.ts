/** What an exit status of `gpu` means. `ssh`, `exec` on one host and `run` pass on the status of what they ran. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  login: 4,
  bug: 70,
  hangup: 129,
  interrupted: 130,
  terminated: 143,
} as const;

/** The word for an error in `--json`. */
export type ErrorKind = "failed" | "usage" | "not-found" | "login" | "ci" | "bug" | "interrupted";

/** What an error says beside its message. */
export interface GpuErrorOptions {
  /** What to type next: a sentence, commands in backticks. */
  hint?: string;
  /** The word for it in `--json`; `failed` when left out. */
  kind?: ErrorKind;
  /** What `gpu` exits with for it; 1 when left out. */
  exitCode?: number;
  /** It is certain that nothing was rented. */
  rentedNothing?: boolean;
  /** The error behind it. */
  cause?: unknown;
}

/** An error a person can act on. The message says what was being done to what, the hint what to type next. */
export class GpuError extends Error {
  override name = "GpuError";
  /** What to type next. */
  readonly hint: string | undefined;
  /** The word for it in `--json`. */
  readonly kind: ErrorKind;
  /** What `gpu` exits with for it. */
  readonly exitCode: number;
  /** Of a launch: it is certain that nothing was rented, so what it would have cost is still there to spend. */
  readonly rentedNothing: boolean;

  constructor(
    message: string,
    { hint, kind = "failed", exitCode = exitCodes.failed, rentedNothing = false, cause }: GpuErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.rentedNothing = rentedNothing;
    this.hint = hint;
    this.kind = kind;
    this.exitCode = exitCode;
  }
}

/** The command line, or what a recipe passed, cannot be understood. Exit code 2. */
export class UsageError extends GpuError {
  override name = "UsageError";

  constructor(message: string, options: Omit<GpuErrorOptions, "kind" | "exitCode"> = {}) {
    super(message, { ...options, kind: "usage", exitCode: exitCodes.usage });
  }
}

/** What was named does not exist. */
export class NotFoundError extends GpuError {
  override name = "NotFoundError";

  constructor(message: string, options: Omit<GpuErrorOptions, "kind"> = {}) {
    super(message, { ...options, kind: "not-found" });
  }
}

/** There is no key, or it is not accepted. Exit code 4. */
export class LoginError extends GpuError {
  override name = "LoginError";

  constructor(message: string, options: Omit<GpuErrorOptions, "kind" | "exitCode"> = {}) {
    super(message, { ...options, kind: "login", exitCode: exitCodes.login });
  }
}

/** A CI server refused, or could not be reached. `status` is its HTTP status when it answered. Exit code 1. */
export class CiError extends GpuError {
  override name = "CiError";
  /** HTTP status, where the server answered. */
  readonly status: number | undefined;

  constructor(
    message: string,
    { status, ...options }: Omit<GpuErrorOptions, "kind" | "exitCode"> & { status?: number } = {},
  ) {
    super(message, { ...options, kind: "ci" });
    this.status = status;
  }
}

/** The signals that end a process in order. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** Thrown where work ends because the process was told to end; `signal` is how. */
export class InterruptedError extends GpuError {
  override name = "InterruptedError";
  /** How it was told to end. */
  readonly signal: EndSignal;
  /** What the same signal does when it comes again; set by who takes its time to end. */
  onAgain: (() => void) | undefined;

  constructor(
    signal: EndSignal = "SIGINT",
    { message = "interrupted", hint }: { message?: string; hint?: string } = {},
  ) {
    const exitCode = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated, SIGHUP: exitCodes.hangup }[signal];
    super(message, { kind: "interrupted", exitCode, hint });
    this.signal = signal;
  }
}

/** Thrown by a write to a pipe whose reader went away (`gpu … | head`): a normal end. */
export class ClosedPipe extends Error {
  override name = "ClosedPipe";
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of a system error (`ENOENT`, `EADDRINUSE`), when it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
