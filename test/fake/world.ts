import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { startAgent } from "../../src/agent/agent.ts";
import { runApp } from "../../src/app.ts";
import { runBackground } from "../../src/background/process.ts";
import type { ProviderRegistry } from "../../src/provider/registry.ts";
import { sshProvider } from "../../src/provider/ssh/ssh.ts";
import { type SshServer, startSshServer } from "../../src/ssh/server.ts";
import type { Clock, SpawnOptions, World } from "../../src/world.ts";
import { fakeAbilities } from "./abilities.ts";
import { type FakeMachine, FakeProvider } from "./provider.ts";
import { type FakeRegistry, fakeRegistry } from "./registry.ts";
import { releaseAnswer } from "./releases.ts";
import { type FakeTerminal, fakeTerminal } from "./terminal.ts";

/** A certain world: time stands still unless it is moved, chance counts, machines and a CI server live in this process. */
export interface FakeWorld extends AsyncDisposable {
  readonly world: Omit<World, "terminal">;
  readonly registry: ProviderRegistry;
  readonly local: FakeProvider;
  readonly cloud: FakeProvider;
  openTerminal(options: { isTTY: boolean; columns?: number; typed?: readonly string[] }): FakeTerminal;
  /** What differs each time, written as it is in the pages: folders, ports, host keys, a probe that may not be back. */
  settle(line: string): string;
  advance(ms: number): void;
}

/** The first local machine is at the port after this one. */
const firstPort = 40_000;

/** The key that the CI server of the pages takes. */
export const ciKey = "ci_key-of-the-pages";

export async function fakeWorld(): Promise<FakeWorld> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "gpu-page-")));
  const home = join(root, "home");
  const cwd = join(home, "project");
  await mkdir(cwd, { recursive: true });
  const clock = new PageClock();
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(root, { recursive: true, force: true }));

  const local = new FakeProvider({
    clock,
    name: "local",
    types: [{ type: "local", pricePerHour: 0, regions: ["local"] }],
    bootMs: 0,
    stopMs: 0,
    unlistedMs: 0,
    facts: { pollMs: 1, settleMs: 1 },
    ssh: ({ number }) => ({ host: "127.0.0.1", port: firstPort + number, user: "gpu" }),
  });
  const cloud = new FakeProvider({
    clock,
    name: "cloud",
    types: [{ type: "gpu_1x_a10", pricePerHour: 0.75, gpu: "A10" }, {
      type: "gpu_1x_h100",
      pricePerHour: 2.49,
      gpu: "H100",
      free: 0,
    }],
    bootMs: 0,
    stopMs: 0,
    unlistedMs: 0,
    facts: { pollMs: 1, settleMs: 1 },
  });
  Object.assign(cloud, fakeAbilities());
  const machines = new Machines([local, cloud], home);
  stack.use(machines);
  const ci = lazily(async () => {
    const dataFolder = join(root, "ci");
    const agent = await startAgent({
      world: { ...world, terminal: fakeTerminal() },
      port: 0,
      token: ciKey,
      dataFolder,
    });
    return stack.use(agent);
  });

  const world: Omit<World, "terminal"> = {
    env: {
      PATH: process.env.PATH,
      HOME: home,
      CI_API_KEY: ciKey,
      CI_SERVER_URL: "http://ci.example:8000",
      GPU_RELEASE_URL: "http://releases.example",
    },
    platform: process.platform,
    arch: process.arch,
    cwd,
    home,
    folders: {
      config: join(home, ".config/gpu"),
      state: join(home, ".local/state/gpu"),
      cache: join(home, ".cache/gpu"),
    },
    self: [process.execPath, join(import.meta.dir, "../../src/main.ts")],
    clock,
    random: countingBytes(),
    async fetch(url, init) {
      const target = new URL(url);
      if (target.host === "releases.example") return releaseAnswer(target);
      if (target.host !== "ci.example:8000") {
        throw Object.assign(new Error("Unable to connect"), { code: "ConnectionRefused" });
      }
      const { port } = new URL((await ci()).address);
      return await fetch(new URL(target.pathname + target.search, `http://127.0.0.1:${port}`), init);
    },
    dial: (to) => machines.dial(to),
    spawn: (command, options) =>
      command.at(-1) === ":background"
        ? background(options.cwd)
        : command.at(-2) === ":run" && options.stdout === "pipe"
        ? planning()
        : spawnReal(command, command[1] === "add" ? { ...options, env: withRegistry(options.env) } : options),
  };
  const registry: ProviderRegistry = {
    local: () => Promise.resolve(local),
    cloud: () => Promise.resolve(cloud),
    ssh: () => Promise.resolve(sshProvider()),
  };
  // Packages come from a registry of the page's own.
  const withRegistry = (env: SpawnOptions["env"]) => ({
    ...env,
    npm_config_registry: (packages ??= stack.use(fakeRegistry())).url,
  });
  let packages: FakeRegistry | undefined;
  const background = (state: string) => {
    const ending = new AbortController();
    // With chance and time of its own: when it starts must not change what commands draw, and leases end by commands.
    const own = {
      ...{ ...world, terminal: fakeTerminal(), random: countingBytes(), clock: new PageClock() },
      folders: { ...world.folders, state },
    };
    const over = runBackground(own, { signal: ending.signal, registry });
    stack.defer(async () => {
      ending.abort(new Error("the page is over"));
      await over;
    });
    return Object.assign(new EventEmitter(), { unref() {} }) as ReturnType<World["spawn"]>;
  };
  // A plan is made in a process of its own; here it has to see the clouds of this one.
  const planning = () => {
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const child = Object.assign(new EventEmitter(), { stdin, stdout, kill: () => true });
    void text(stdin).then(async (words) => {
      const terminal = fakeTerminal();
      const own = { ...world, terminal, random: countingBytes() };
      await runApp(JSON.parse(words), { world: own, registry, signal: new AbortController().signal, version: "0.0.0" });
      stdout.end(terminal.takeStdout(), () => child.emit("close"));
    });
    return child as unknown as ReturnType<World["spawn"]>;
  };
  const ports = new Map<string, number>();
  let nextPort = 50_001;
  const isPortOfMachine = (port: number) => port > firstPort && port <= firstPort + local.launched;
  return {
    world,
    local,
    cloud,
    registry,
    openTerminal: (options) => fakeTerminal(options),
    advance: (ms) => clock.advance(ms),
    settle: (line) =>
      line.replaceAll(cwd, "~/project").replaceAll(home, "~")
        // How long tests of recipes took.
        .replace(/ \[\d+\.\d+m?s\]/, " [1.00ms]").replace(
          '"latencyMs": null',
          '"latencyMs": 0',
        )
        // A machine counts the seconds of its jobs by a clock of its own.
        .replace(/("endedAt": ?"2026-01-01T12:00:0)[1-3]/, (_, begin: string) => `${begin}0`).replace(
          /SHA256:[A-Za-z0-9+/]{43}/g,
          `SHA256:${"A".repeat(43)}`,
        ).replace(
          /(127\.0\.0\.1:|"localPort": |i-\d:|\t(?=\d{5} [(←→S])|← )([1-6]\d{4})\b/g,
          (found, before: string, port: string) => {
            if (isPortOfMachine(Number(port))) return found;
            // The system may give a port again that it gave a server before.
            if (!ports.has(port) || isAnnounced(line)) ports.set(port, nextPort++);
            return `${before}${ports.get(port)}`;
          },
        ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A CI server says where it listens. */
function isAnnounced(line: string): boolean {
  return /serving CI at http|"type":"listening"/.test(line);
}

/** `now` moves only when told to; sleeping is real, since real sockets and processes take real time. */
class PageClock implements Clock {
  #now = Date.UTC(2026, 0, 1, 12);

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms);
      timer.unref();
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
}

/** An SSH server in this process for each machine of the fake providers, started when it is dialled first. */
class Machines implements AsyncDisposable {
  readonly #providers: readonly FakeProvider[];
  readonly #home: string;
  readonly #servers = new Map<string, Promise<SshServer>>();

  constructor(providers: readonly FakeProvider[], home: string) {
    this.#providers = providers;
    this.#home = home;
  }

  async dial({ host, port }: { host: string; port: number }): Promise<Socket> {
    const server = await this.#serverAt(host, port);
    if (!server) throw Object.assign(new Error(`connect ECONNREFUSED ${host}:${port}`), { code: "ECONNREFUSED" });
    return await new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: server.port, noDelay: true });
      socket.once("connect", () => resolve(socket)).once("error", reject);
    });
  }

  async [Symbol.asyncDispose]() {
    for (const server of this.#servers.values()) await (await server)[Symbol.asyncDispose]();
  }

  async #serverAt(host: string, port: number): Promise<SshServer | undefined> {
    for (const provider of this.#providers) {
      const listed = (await provider.list()).find(({ ssh }) => ssh?.host === host && ssh.port === port);
      const machine = provider.machines.find(({ id }) => id === listed?.id);
      if (!machine || !listed?.ssh) continue;
      const { token } = machine.request;
      const server = this.#servers.get(token) ?? this.#start(machine.request, listed.ssh.user);
      this.#servers.set(token, server);
      return await server;
    }
    return undefined;
  }

  async #start(request: FakeMachine["request"], user: string): Promise<SshServer> {
    const home = join(this.#home, "machines", request.token);
    await mkdir(join(home, "bin"), { recursive: true });
    if (request.type.startsWith("gpu_")) {
      // What the hand-over check asks for: the one GPU that was rented.
      await writeFile(join(home, "bin", "nvidia-smi"), "#!/bin/sh\necho NVIDIA A10, 23028, 0\n", { mode: 0o755 });
    }
    return await startSshServer({
      world: { spawn: spawnReal, clock: new PageClock(), platform: process.platform },
      kill: (pid, signal) => process.kill(pid, signal),
      hostKey: request.hostKey.privateKey,
      authorizedKeys: [request.authorizedKey],
      user,
      home,
      shell: "/bin/sh",
      environment: { HOME: home, PATH: `${join(home, "bin")}:${process.env.PATH}` },
    });
  }
}

function spawnReal([command = "", ...args]: readonly string[], { stdin, stdout, stderr, ...options }: SpawnOptions) {
  return spawn(command, args, { ...options, stdio: [stdin, stdout, stderr] });
}

/** 00 00 … 01, 00 00 … 02: no two alike, and the same each time. */
function countingBytes(): World["random"] {
  let count = 0;
  return (byteCount) => {
    const bytes = new Uint8Array(byteCount);
    count += 1;
    for (let index = byteCount - 1, left = count; index >= 0 && left > 0; index--, left = Math.floor(left / 256)) {
      bytes[index] = left % 256;
    }
    return bytes;
  };
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}
