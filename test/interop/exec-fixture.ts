// `gpu exec` in this process, with real OpenSSH at many addresses of this computer.
import { type AppOptions, runApp } from "../../src/app.ts";
import type { Input } from "../../src/world.ts";
import { fakeTerminal } from "../fake/terminal.ts";
import { type Person, person } from "./hosts-fixture.ts";
import { type Sshd, startSshd } from "./sshd.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  /** What went to stderr, without the mark of the pages. */
  readonly stderr: string;
  /** Its objects, under `--json`. */
  readonly objects: readonly Record<string, unknown>[];
}

export interface Lab extends AsyncDisposable {
  readonly sshd: Sshd;
  readonly owner: Person;
  /** `user@127.0.1.1:port` and so on. */
  readonly specs: readonly string[];
  exec(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The same on the first so many of them. */
  onMany(count: number, argv: readonly string[], options?: RunOptions): Promise<Ran>;
}

export interface RunOptions {
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
}

/** sshd listens on no more than 16 addresses. */
export const mostHosts = 15;

export async function openLab(extraConfig: string[] = []): Promise<Lab> {
  const addresses = Array.from({ length: mostHosts }, (_, index) => `127.0.1.${index + 1}`);
  const sshd = await startSshd(extraConfig, addresses);
  const owner = person();
  const { port, user } = sshd.address;
  owner.write("known_hosts", addresses.map((address) => `[${address}]:${port} ${sshd.hostKey}\n`).join(""));
  const specs = addresses.map((address) => `${user}@${address}:${port}`);
  const exec: Lab["exec"] = async (argv, { stdin, signal, env } = {}) => {
    const terminal = fakeTerminal();
    const input: Input = { isTTY: false, read: () => stdin ?? nothing() };
    const options: AppOptions = {
      world: {
        ...owner.world,
        env: { ...owner.world.env, GPU_NO_SHARE: "1", ...env },
        terminal: { ...terminal, stdin: input },
      },
      signal: signal ?? new AbortController().signal,
      version: "0.0.0",
    };
    const code = await runApp(["exec", "--identity", sshd.privateKeyPath, ...argv], options);
    const stdout = terminal.takeStdout();
    const lines = terminal.takeLines().filter((line) => line.startsWith("2| ")).map((line) => line.slice(3));
    const objects = argv.includes("--json")
      ? stdout.trim().split("\n").filter(Boolean).map((line): Record<string, unknown> => JSON.parse(line))
      : [];
    return { code, stdout, stderr: lines.join("\n"), objects };
  };
  return {
    sshd,
    owner,
    specs,
    exec,
    onMany: (count, argv, options) => exec([...hostFlags(specs.slice(0, count)), ...argv], options),
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]();
      await owner[Symbol.asyncDispose]();
    },
  };
}

export function hostFlags(specs: readonly string[]): string[] {
  return specs.flatMap((spec) => ["--host", spec]);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Processes of this computer with the text in their command line, others than the one that asks. */
export function processesWith(text: string): string[] {
  const { stdout } = Bun.spawnSync(["ps", "axww", "-o", "pid=,command="]);
  return stdout.toString().split("\n").filter((line) => line.includes(text));
}
