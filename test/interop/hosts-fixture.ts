// A person's home with keys, known hosts and a configuration of ssh, and hosts of theirs: real OpenSSH servers.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChildProcess, spawn } from "node:child_process";
import type { Context } from "../../src/command.ts";
import { Config } from "../../src/config.ts";
import { Reach } from "../../src/hosts/reach.ts";
import { selectTargets } from "../../src/hosts/select.ts";
import type { HostLogin, Selection } from "../../src/hosts/target.ts";
import { outside } from "../../src/outside.ts";
import type { AskPerson } from "../../src/ssh/login.ts";
import type { Session } from "../../src/ssh/session.ts";
import type { World } from "../../src/world.ts";

export const me = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();

export interface Person extends AsyncDisposable {
  readonly home: string;
  readonly world: World;
  readonly notes: string[];
  /** Writes a file below `~/.ssh`, the owner's alone. */
  write(name: string, text: string): string;
  read(name: string): string;
  /** How `gpu` would log in on what is named. */
  logins(selection: Partial<Selection>, config?: Record<string, unknown>): Promise<HostLogin[]>;
  /** Logs in there. */
  connect(selection: Partial<Selection>, options?: ConnectOptions): Promise<Session>;
}

interface ConnectOptions {
  readonly askPerson?: AskPerson;
  readonly config?: Record<string, unknown>;
  readonly reach?: Reach;
}

export function person(env: Record<string, string | undefined> = {}): Person {
  const home = mkdtempSync(join(tmpdir(), "gpu-hosts-"));
  const folder = join(home, ".ssh");
  mkdirSync(folder, { mode: 0o700 });
  const world: World = {
    ...outside(process, { onClosedPipe() {} }),
    env: { PATH: process.env.PATH, HOME: home, USER: me, ...env },
    home,
    cwd: home,
    folders: { config: join(home, "config"), state: join(home, "state"), cache: join(home, "cache") },
  };
  const notes: string[] = [];
  const self: Person = {
    home,
    world,
    notes,
    write(name, text) {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      chmodSync(join(folder, name), 0o600);
      return join(folder, name);
    },
    read: (name) => readFileSync(join(folder, name), "utf8"),
    async logins(selection, config = {}) {
      const context = {
        world,
        signal: new AbortController().signal,
        config: () => Promise.resolve(Config.parse(config)),
        journal: () => Promise.reject(new Error("nobody rents here")),
      } as unknown as Context;
      const targets = await selectTargets(context, { ...nobody, ...selection });
      return targets.flatMap((target) => target.kind === "host" ? [target.login] : []);
    },
    async connect(selection, { askPerson, config, reach } = {}) {
      const [login] = await self.logins(selection, config);
      if (!login) throw new Error("no host is meant");
      return await (reach ?? new Reach({ world, askPerson, note: (text) => notes.push(text) })).connect(login);
    },
    async [Symbol.asyncDispose]() {
      await Promise.resolve(rmSync(home, { recursive: true, force: true }));
    },
  };
  return self;
}

const nobody: Selection = {
  targets: [],
  hosts: [],
  hostsFile: undefined,
  all: false,
  tags: [],
  user: undefined,
  port: undefined,
  identities: [],
  acceptNew: false,
  sshConfig: true,
};

/** What a command says over a session, which ends with it. */
export async function say(connecting: Promise<Session>, command: string): Promise<string> {
  await using session = await connecting;
  let said = "";
  await session.exec(command, { onStdout: (chunk) => void (said += Buffer.from(chunk).toString()) });
  return said;
}

/** `ssh-keygen` with these arguments. */
export function keygen(...args: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["ssh-keygen", ...args]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString();
}

export interface Agent extends AsyncDisposable {
  readonly socket: string;
  add(...args: readonly string[]): void;
}

/** A real `ssh-agent`. */
export async function startAgent(folder: string): Promise<Agent> {
  const socket = join(folder, "agent.sock");
  const child: ChildProcess = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  while (!existsSync(socket)) await Bun.sleep(5);
  return {
    socket,
    add(...args) {
      const { exitCode, stderr } = Bun.spawnSync(["ssh-add", "-q", ...args], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
      });
      if (exitCode !== 0) throw new Error(stderr.toString());
    },
    async [Symbol.asyncDispose]() {
      const over = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await over;
    },
  };
}
