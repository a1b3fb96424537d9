// Who runs the benchmarks: the programs that take part, a home of its own, and how each reaches the server.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Sshd } from "../../test/interop/sshd.ts";
import { build } from "../build.ts";

const PATH = `${process.env.PATH}:/usr/sbin`;

/** Debian's packages of what is measured against, and of the server. */
const packages = {
  autossh: "autossh",
  clush: "clustershell",
  "parallel-ssh": "pssh",
  pdsh: "pdsh",
  rsync: "rsync",
  scp: "openssh-client",
  ssh: "openssh-client",
  sshd: "openssh-server",
};

/** Throws where a program is missing, and builds the executable. */
export async function prepare(programs: readonly (keyof typeof packages)[]): Promise<void> {
  const missing = [...programs, "sshd" as const].filter((program) => !Bun.which(program, { PATH }));
  if (missing.length > 0) {
    throw new Error(`not there: ${missing.map((program) => `${program} (Debian: ${packages[program]})`).join(", ")}`);
  }
  await build();
}

export interface BenchClient extends Disposable {
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  readonly knownHosts: string;
  /** How `gpu` logs in. */
  readonly gpuFlags: readonly string[];
  /** The same for OpenSSH's programs, without the port, which they call differently. */
  readonly opensshFlags: readonly string[];
}

/** A home in which the server's key is known for these of its addresses. */
export function benchClient({ address: { port }, hostKey, privateKeyPath }: Sshd, hosts = ["127.0.0.1"]): BenchClient {
  const home = mkdtempSync(join(tmpdir(), "gpu-bench-"));
  mkdirSync(join(home, ".ssh"), { mode: 0o700 });
  const knownHosts = join(home, ".ssh/known_hosts");
  writeFileSync(knownHosts, hosts.map((host) => `[${host}]:${port} ${hostKey}\n`).join(""), { mode: 0o600 });
  const options = ["BatchMode=yes", "IdentitiesOnly=yes", `UserKnownHostsFile=${knownHosts}`];
  return {
    home,
    env: { HOME: home, PATH },
    knownHosts,
    gpuFlags: ["--identity", privateKeyPath, "--port", `${port}`],
    opensshFlags: ["-F", "none", "-i", privateKeyPath, ...options.flatMap((option) => ["-o", option])],
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  };
}

/** A figure of a process's memory, in bytes: what it holds, or the most it ever held (proc_pid_status(5)). */
export function memoryOf(pid: number, figure: "VmRSS" | "VmHWM"): number {
  try {
    const kibibytes = new RegExp(`^${figure}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))
      ?.[1];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0; // It has just ended.
  }
}
