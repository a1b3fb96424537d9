// A server of ours, and the real OpenSSH client configured for it and for nothing else.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outside } from "../../src/outside.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { startSshServer } from "../../src/ssh/server.ts";
import type { SshServerOptions } from "../../src/ssh/server.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const realWorld = outside(process, { onClosedPipe() {} });

const text = (stream: ReadableStream) => new Response(stream).text();

/** Runs a program to its end; never longer than 15 seconds. */
export async function runProgram(command: readonly string[], stdin: string | Uint8Array = ""): Promise<Outcome> {
  const child = Bun.spawn([...command], {
    stdin: new Blob([stdin as BlobPart]),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 15_000,
    env: { ...process.env, SSH_AUTH_SOCK: undefined },
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
  return { code, stdout, stderr };
}

/** Writes a configuration and a key for the host `machine`; returns the configuration's path. */
export function configureClient(
  { folder, port, privateKey, hostKey }: { folder: string; port: number; privateKey: string; hostKey: string },
): string {
  const key = join(folder, "client-key");
  writeFileSync(key, privateKey, { mode: 0o600 });
  writeFileSync(join(folder, "known_hosts"), `[127.0.0.1]:${port} ${hostKey}\n`);
  writeFileSync(
    join(folder, "config"),
    `Host machine
  HostName 127.0.0.1
  Port ${port}
  User gpu
  IdentityFile ${key}
  IdentitiesOnly yes
  UserKnownHostsFile ${folder}/known_hosts
  StrictHostKeyChecking yes
  LogLevel ERROR
`,
  );
  return join(folder, "config");
}

export async function openServer(options: Partial<SshServerOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "gpu-ssh-"));
  const home = join(folder, "home");
  mkdirSync(home);
  const host = generateKeyPair("host");
  const client = generateKeyPair("client");
  const log: string[] = [];
  const server = await startSshServer({
    world: realWorld,
    kill: (pid, signal) => void process.kill(pid, signal),
    hostKey: host.privateKey,
    authorizedKeys: [client.publicKey],
    user: "gpu",
    home,
    shell: "/bin/bash",
    environment: { PATH: process.env.PATH, HOME: home, MARK: "ours" },
    onLog: (line) => log.push(line),
    ...options,
  });
  const config = configureClient({
    folder,
    port: server.port,
    privateKey: client.privateKey,
    hostKey: host.publicKey,
  });
  return {
    folder,
    home,
    log,
    config,
    port: server.port,
    ssh: (args: readonly string[], stdin?: string | Uint8Array) => runProgram(["ssh", "-F", config, ...args], stdin),
    sftp: (batch: readonly string[]) =>
      runProgram(["sftp", "-q", "-F", config, "-b", "-", "machine"], batch.join("\n")),
    scp: (args: readonly string[]) => runProgram(["scp", "-q", "-F", config, ...args]),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
