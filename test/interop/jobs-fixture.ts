// A machine without SSH: scripts are run by a shell of this computer in a home of their own.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../../src/command.ts";
import type { HostTarget } from "../../src/hosts/target.ts";
import { Reach } from "../../src/jobs/reach.ts";
import type { Runner } from "../../src/ssh/exec.ts";
import { sendSignal } from "../../src/processes.ts";
import { SshError } from "../../src/ssh/failure.ts";
import { realWorld } from "./openssh.ts";

export interface Machine extends AsyncDisposable {
  readonly home: string;
  readonly jobs: string;
  readonly target: HostTarget;
  readonly context: Context;
  readonly notes: string[];
  reach(): Reach;
  /** The next commands are carried out, and their connection is lost before their end is known. */
  loseAnswers(count: number): void;
}

/** `shell` runs what an SSH server would; `path` is where it finds programs. */
export function machine(
  { shell = ["sh"], path = process.env.PATH ?? "" }: { shell?: readonly string[]; path?: string } = {},
): Machine {
  const folder = mkdtempSync(join(tmpdir(), "gpu-jobs-"));
  // Names of folders may hold anything.
  const home = join(folder, "a person's home");
  mkdirSync(home);
  const notes: string[] = [];
  let toLose = 0;
  const runner: Runner = {
    async exec(command, { stdin = "", onStdout, onStderr, signal } = {}) {
      const child = Bun.spawn([...shell, "-c", command], {
        env: { PATH: path, HOME: home, SHELL: "/bin/sh" },
        stdin: new Blob([stdin as string]),
        stdout: "pipe",
        stderr: "pipe",
      });
      const end = () => child.kill("SIGKILL");
      signal?.addEventListener("abort", end, { once: true });
      const drain = async (from: ReadableStream<Uint8Array>, to: typeof onStdout) => {
        for await (const chunk of from) await to?.(chunk);
      };
      await Promise.all([drain(child.stdout, onStdout), drain(child.stderr, onStderr)]);
      const exitCode = await child.exited;
      signal?.throwIfAborted();
      if (toLose-- > 0) throw new SshError("the SSH session was lost", { reason: "lost" });
      return { exitCode };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const context = {
    world: { ...realWorld, home, folders: { ...realWorld.folders, state: join(folder, "state") } },
    signal: new AbortController().signal,
    note: (text: string) => void notes.push(text),
    progress() {},
    globals: { json: false, quiet: false },
    run: { isRecipe: true },
    journal: () => Promise.reject(new Error("nobody rents here")),
  } as unknown as Context;
  const target = {
    kind: "host",
    name: "lab",
    login: { address: { host: "lab", port: 22, user: "ada" }, agent: null, jumps: [], proxyCommand: null },
  } as unknown as HostTarget;
  return {
    home,
    jobs: join(home, ".local/state/gpu/jobs"),
    target,
    context,
    notes,
    reach: () => new Reach(context, () => Promise.resolve(runner)),
    loseAnswers: (count) => toLose = count,
    async [Symbol.asyncDispose]() {
      // Nothing that a failed test left runs on.
      killAll(`HOME=${home}`);
      await Bun.sleep(50);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A folder with BusyBox's programs and nothing else, without those that are named. */
export function busyboxOnly(folder: string, without: readonly string[] = []): string {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  const { stdout } = Bun.spawnSync(["busybox", "--list"]);
  for (const name of stdout.toString().trim().split("\n")) {
    if (!without.includes(name)) symlinkSync("/usr/bin/busybox", join(bin, name));
  }
  return bin;
}

/** Processes whose environment holds `NAME=value`. */
export function carrying(mark: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
    } catch {
      return false;
    }
  });
}

/** Kills them; one that has ended meanwhile is no error. */
export function killAll(mark: string): void {
  for (const pid of carrying(mark)) sendSignal(pid, "SIGKILL");
}
