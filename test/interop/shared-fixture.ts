// `gpu` as a process of its own, in a home of its own, beside a real OpenSSH server that it knows.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sshd, startSshd } from "./sshd.ts";

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  /** Resolves once it has printed the text. */
  prints(text: string): Promise<void>;
  readonly ended: Promise<Ran>;
}

interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

export async function openHome(extraConfig: string[] = []) {
  const sshd = await startSshd(extraConfig);
  const home = mkdtempSync(join(tmpdir(), "gpu-shared-"));
  mkdirSync(join(home, ".ssh"), { mode: 0o700 });
  const { host, port, user } = sshd.address;
  writeFileSync(join(home, ".ssh", "known_hosts"), `[${host}]:${port} ${sshd.hostKey}\n`, { mode: 0o600 });
  const main = join(import.meta.dir, "../../src/main.ts");
  const command = [process.execPath, main];
  const env = { HOME: home, PATH: process.env.PATH ?? "" };
  const hostFlags = ["--host", `${user}@${host}:${port}`, "-i", sshd.privateKeyPath];
  const start = (args: readonly string[], options: RunOptions = {}): Started => {
    const child = Bun.spawn([...command, ...args], {
      cwd: home,
      env: { ...env, ...options.env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 30_000,
    });
    if (options.stdin !== undefined) {
      // Who reads nothing may be gone before all is written.
      const { stdin } = child;
      Promise.resolve(stdin.write(options.stdin)).then(() => stdin.end()).catch(() => {});
    }
    let seen = "";
    let look = () => {};
    const read = async (stream: ReadableStream<Uint8Array>) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of stream) {
        chunks.push(chunk);
        seen += new TextDecoder().decode(chunk);
        look();
      }
      return Buffer.concat(chunks).toString("latin1");
    };
    const ended = Promise.all([read(child.stdout), read(child.stderr), child.exited]).then((
      [stdout, stderr, code],
    ) => ({
      code,
      stdout,
      stderr,
    }));
    const prints = (text: string) =>
      new Promise<void>((resolve) => {
        look = () => seen.includes(text) && resolve();
        look();
      });
    return { child, prints, ended };
  };
  return {
    sshd,
    home,
    command,
    env,
    hostFlags,
    start,
    /** Runs `gpu` to its end. */
    gpu: (args: readonly string[], options: RunOptions = {}) => start(args, { stdin: "", ...options }).ended,
    /** `gpu exec` on the server. */
    exec: (line: string, options: RunOptions & { flags?: readonly string[] } = {}) =>
      start(["exec", ...hostFlags, ...options.flags ?? [], "--", line], { stdin: "", ...options }).ended,
    background: () => backgroundOf(home),
    async [Symbol.asyncDispose]() {
      const pid = backgroundOf(home);
      if (pid !== undefined) process.kill(pid, "SIGTERM");
      await sshd[Symbol.asyncDispose]();
      while (backgroundOf(home) !== undefined) await Bun.sleep(10);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export type Home = Awaited<ReturnType<typeof openHome>>;
export type { Sshd };

/** The background process of a home, told by its environment. */
function backgroundOf(home: string): number | undefined {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("\0:background") &&
        readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`HOME=${home}`);
    } catch {
      return false;
    }
  });
}

/** Resident memory in MB. */
export function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Living processes whose command line holds the text. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });
}
