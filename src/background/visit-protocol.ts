import { z } from "zod";
import type { Target } from "../hosts/target.ts";
import type { ExecOptions } from "../ssh/exec.ts";
import type { SshFailure } from "../ssh/failure.ts";

/*
 * What is asked for in the `open` frame of a conversation in frames (frames.ts). Whoever asks is of the very same
 * build, else it is declined: so these may change from one version to the next.
 */

const size = { columns: z.number().int(), rows: z.number().int() };

const Visitor = z.object({
  /** `buildOf`: which executable asks. */
  build: z.string(),
  env: z.record(z.string(), z.string()),
  cwd: z.string(),
  home: z.string(),
  folders: z.object({ config: z.string(), state: z.string(), cache: z.string() }),
  terminal: z.object({
    stdin: z.object({ isTTY: z.boolean() }),
    stdout: z.object({ isTTY: z.boolean(), ...size }),
    stderr: z.object({ isTTY: z.boolean(), ...size }),
  }),
});

export type Visitor = z.output<typeof Visitor>;

/** How a command is run, without what is not data. */
export type PlainOptions = Omit<ExecOptions, "stdin" | "onStdout" | "onStderr" | "onResize" | "signal">;

const isObject = (value: unknown) => typeof value === "object" && value !== null;

const target = z.custom<Target>(
  (value) => typeof value === "object" && value !== null && "kind" in value,
  "it is none",
);

export const Opening = z.discriminatedUnion("want", [
  /** A whole command line, with the terminal of who asks. */
  Visitor.extend({ want: z.literal("command"), argv: z.array(z.string()) }),
  /** A session with a target; questions go to the terminal of who asks. */
  Visitor.extend({
    want: z.literal("login"),
    target,
    /** Declined where there is none yet. */
    isThere: z.boolean(),
    globals: z.object({ quiet: z.boolean(), verbose: z.boolean(), color: z.boolean(), yes: z.boolean() }),
  }),
  /** A command over a session that is there; declined where there is none. */
  Visitor.extend({
    want: z.literal("exec"),
    target,
    command: z.string(),
    options: z.custom<PlainOptions>(isObject, "they are no options"),
    hasStdin: z.boolean(),
  }),
]);

export type Opening = z.output<typeof Opening>;

const failure = z.object({
  message: z.string(),
  hint: z.string().optional(),
  kind: z.enum(["failed", "usage", "not-found", "login", "ci", "bug", "interrupted"]),
  exitCode: z.number().int(),
  /** Of an SshError. */
  reason: z.custom<SshFailure>((value) => typeof value === "string").optional(),
});

export type Failure = z.output<typeof failure>;

/** How it ended. */
export const Done = z.union([
  z.object({ exitCode: z.number().int(), signal: z.string().optional() }),
  z.object({ failure }),
]);

export type Done = z.output<typeof Done>;
