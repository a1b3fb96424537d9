import { GpuError, UsageError } from "../errors.ts";
import { quote, quoteWord } from "../quote.ts";
import { type KillThrough, readAhead } from "../ssh/exec.ts";

/** What is to be run on a machine. */
export interface Request {
  /** A line for the remote's login shell; with a `script` its arguments, quoted. */
  readonly line: string;
  readonly script?: Script;
  /** Where it runs; `~/` is the home there. */
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A local script that is run on the remote without a file of it there. */
export interface Script {
  readonly text: string;
  /** Shell text of what runs it: `/usr/bin/env python3`. */
  readonly interpreter: string;
}

/** How to become root there. */
export interface Elevation {
  /** `sudo` with its options. */
  readonly sudo: string;
  /** What sudo reads first from its stdin: a password, with its newline. */
  readonly ahead: string;
}

/** A command line for the remote, and what it reads from its stdin before that is the command's. */
export interface Built {
  readonly command: string;
  readonly ahead: string;
  readonly killThrough?: KillThrough;
}

interface BuildOptions {
  readonly elevation?: Elevation;
  /** The command has a terminal: this text is printed once it is ready to read what comes ahead, unseen. */
  readonly ready?: string;
}

/** Puts a request into words for the remote. No value of the environment and no script is in them: others may see those. */
export function buildCommand(request: Request, { elevation, ready }: BuildOptions = {}): Built {
  const { script, cwd, environment = {} } = request;
  const values = exportsOf(environment);
  const text = script?.text ?? "";
  const readValues = values === "" ? "" : `eval "$(${readAhead(Buffer.byteLength(values))})"`;
  const readScript = text === "" ? "" : `s=$(${readAhead(Buffer.byteLength(text))})`;
  const reads = quietly([readValues, readScript].filter((part) => part !== ""), ready);
  // `exec` cannot stand before a line, which may be several commands.
  const runs = [
    ...(cwd === undefined ? [] : [`cd ${quotePath(cwd)} || exit`]),
    script === undefined ? request.line : runScript(script.interpreter),
  ];
  const inner = [...reads, ...runs].join("; ");
  // A script's wrapping is POSIX shell, and the login shell need not be one.
  const wrapped = script === undefined ? inner : `exec sh -c ${quoteWord(inner)} sh ${request.line}`.trimEnd();
  const ahead = values + text;
  if (elevation === undefined) return { command: wrapped, ahead };
  return {
    // The mark is handed on by hand: sudo clears the environment. The shell is the one of whom sudo becomes.
    command: `${elevation.sudo} sh -c ${quoteWord(asRoot)} sh ${quoteWord(wrapped)} "$GPU_EXEC"`,
    ahead: elevation.ahead + ahead,
    // On a terminal sudo asks by itself; whoever ends the command has none.
    killThrough: { shell: `${ready === undefined ? elevation.sudo : "sudo -n"} sh -c`, stdin: elevation.ahead },
  };
}

const asRoot = 'export GPU_EXEC="$2"; exec "${SHELL:-/bin/sh}" -c "$1"';

/** On a terminal what is read ahead is neither echoed nor changed, and nobody types it too early. */
function quietly(reads: readonly string[], ready: string | undefined): string[] {
  if (ready === undefined || reads.length === 0) return [...reads];
  return ["t=$(stty -g)", "stty raw -echo", `printf %s ${quoteWord(ready)}`, ...reads, 'stty "$t"'];
}

/** The script is a pipe that the interpreter opens as a file; its stdin stays its own. */
function runScript(interpreter: string): string {
  return `exec 4<&0; printf '%s\\n' "$s" | { exec ${interpreter} /dev/fd/3 "$@" 3<&0 0<&4 4<&-; }`;
}

function exportsOf(environment: Readonly<Record<string, string>>): string {
  const entries = Object.entries(environment);
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new UsageError(`\`${name}\` is not a name for an environment variable`);
    }
    if (value.includes("\0")) throw new UsageError(`the environment variable \`${name}\` holds a zero byte`);
  }
  return entries.length === 0
    ? ""
    : `export ${entries.map(([name, value]) => `${name}=${quoteWord(value)}`).join(" ")}; `;
}

/** `~` and `~/…` mean the home there, everything else is taken as it is. */
function quotePath(path: string): string {
  const below = /^~(?:\/(.*))?$/s.exec(path);
  if (!below) return path.startsWith("-") ? quoteWord(`./${path}`) : quoteWord(path);
  return below[1] ? `"$HOME"/${quoteWord(below[1])}` : '"$HOME"';
}

/** `K=V`, or `K` for the value that it has here, which is then in no list of processes here either. */
export function parseEnvironment(
  given: readonly string[],
  ours: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(given.map((text) => {
    const at = text.indexOf("=");
    if (at >= 0) return [text.slice(0, at), text.slice(at + 1)];
    const value = ours[text];
    if (value !== undefined) return [text, value];
    throw new UsageError(`\`--env ${text}\` has no value, and there is none here`, {
      hint: "`--env NAME=value`, or `--env NAME` for a variable that is set here",
    });
  }));
}

/** A script by its text: what its first line asks for runs it, or `shell` where that is given, or `sh`. */
export function parseScript(text: string, { name, shell }: { name: string; shell?: string }): Script {
  if (text.includes("\0")) throw new GpuError(`\`${name}\` is not text, so it is no script`);
  const [first = ""] = text.split("\n", 1);
  // execve(2): the interpreter, and the rest of the line as one argument.
  const [, file, argument = ""] = /^#![ \t]*(\S+)[ \t]*(.*?)[ \t\r]*$/.exec(first) ?? [];
  const fromFile = file === undefined ? "sh" : quote(argument === "" ? [file] : [file, argument]);
  return { text, interpreter: shell ?? fromFile };
}
