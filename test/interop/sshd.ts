import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../src/outside.ts";
import type { SshAddress } from "../../src/provider/provider.ts";
import type { World } from "../../src/world.ts";

/** A real OpenSSH server on a free port of this computer. */
export interface Sshd extends AsyncDisposable {
  readonly folder: string;
  readonly address: SshAddress;
  readonly privateKey: string;
  readonly privateKeyPath: string;
  readonly hostKey: string;
  readonly pid: number;
  /** Kills the processes of its connections; the server stays. */
  dropConnections(): void;
  /** To the processes of its connections, and not to the server. */
  signalConnections(signal: NodeJS.Signals): void;
  /** Kills it and its connections. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

export async function startSshd(extraConfig: string[] = [], listen: string[] = ["127.0.0.1"]): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), "gpu-sshd-"));
  makeKey(join(folder, "host"));
  makeKey(join(folder, "user"));
  const port = await freePort();
  const config = [
    ...listen.map((address) => `ListenAddress ${address}:${port}`),
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/user.pub`,
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "MaxStartups 100",
    // The start-up files of whoever runs the tests are not part of them.
    // Nor are its programs: one that writes outside of the folder is put into `bin` as a pretended one.
    `SetEnv HOME=${folder} "PATH=${folder}/bin:${process.env.PATH}"`,
    "Subsystem sftp internal-sftp",
    ...extraConfig,
  ];
  writeFileSync(join(folder, "config"), config.join("\n") + "\n");
  mkdirSync("/run/sshd", { recursive: true });
  let daemon: ChildProcess | undefined;
  const sshd: Sshd = {
    folder,
    address: { host: "127.0.0.1", port, user: Bun.spawnSync(["id", "-un"]).stdout.toString().trim() },
    privateKey: readFileSync(join(folder, "user"), "utf8"),
    privateKeyPath: join(folder, "user"),
    hostKey: readFileSync(join(folder, "host.pub"), "utf8").trim(),
    get pid() {
      return daemon?.pid ?? 0;
    },
    dropConnections: () => sshd.signalConnections("SIGKILL"),
    signalConnections(signal) {
      for (const pid of childrenOf(sshd.pid)) {
        for (const each of [pid, ...childrenOf(pid)]) {
          try {
            process.kill(each, signal);
          } catch {
            // It ended by itself.
          }
        }
      }
    },
    async kill() {
      if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
      const gone = new Promise((resolve) => daemon?.once("exit", resolve));
      const connections = childrenOf(sshd.pid);
      daemon.kill("SIGKILL");
      await gone;
      for (const pid of connections) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It ended by itself.
        }
      }
    },
    async start() {
      daemon = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", join(folder, "config")], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      await new Promise<void>((resolve, reject) => {
        let log = "";
        daemon?.once("exit", () => reject(new Error(`sshd ended: ${log}`)));
        daemon?.stderr?.on("data", (chunk) => {
          log += chunk;

          if (log.includes("listening on")) resolve();
        });
      });
    },
    async [Symbol.asyncDispose]() {
      await sshd.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await sshd.start();
  return sshd;
}

export function makeKey(path: string): void {
  const { exitCode, stderr } = Bun.spawnSync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path]);
  if (exitCode !== 0) throw new Error(stderr.toString());
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || !address) throw new Error("no port");
  return address.port;
}

/** The clock and the network of this computer. */
export const realWorld: Pick<World, "clock" | "dial" | "platform" | "random"> = {
  random: (byteCount) => randomBytes(byteCount),
  platform: process.platform,
  clock: realClock,
  dial: ({ host, port, signal, allowHalfOpen }) =>
    new Promise((resolve, reject) => {
      const socket = net.connect({ host, port, allowHalfOpen, noDelay: true });
      const stop = () => socket.destroy(signal?.reason);
      signal?.addEventListener("abort", stop, { once: true });
      socket.once("connect", () => {
        signal?.removeEventListener("abort", stop);
        socket.removeAllListeners("error");
        resolve(socket);
      });
      socket.once("error", (error) => reject(error));
    }),
};

function childrenOf(parent: number): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
    } catch {
      return false;
    }
  });
}
