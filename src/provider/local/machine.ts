import { connect } from "node:net";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { exitCodes, messageOf, systemCode } from "../../errors.ts";
import { isLocked, tryLock } from "../../lock.ts";
import { sendSignal } from "../../processes.ts";
import type { SshServer, SshServerOptions } from "../../ssh/server.ts";
import type { World } from "../../world.ts";
import { readTextIfThere } from "../../files.ts";
import { crontabFile, machineEnvironment, shellOf } from "./environment.ts";
import type { Machine } from "./folder.ts";
import { agentSocket, lockPath, readMachine, removeFolder, user, writeStatus } from "./folder.ts";
import { endMarked } from "./hunt.ts";

/** How often a machine looks whether its lease was extended, or its folder removed. */
const watchMs = 500;
/** How long a machine waits for its agent before it runs without. */
const agentTimeoutMs = 10_000;

/** Is a machine, until its lease is over or its folder gone. Its process runs in that folder. */
export async function runMachine(folder: string, world: World): Promise<number> {
  const machine = await readMachine(folder);
  if (machine === undefined) return exitCodes.failed;
  using lock = tryLock(lockPath(folder));
  if (lock === undefined) return exitCodes.done; // A second process for the same machine.
  try {
    await using _server = await boot({ folder, machine, world });
    await leaseEnd({ folder, machine, world });
  } catch (error) {
    // The folder stays, with this in its log: the machine is `stopped`, and whoever waits for it learns that at once.
    say(world, `cannot go on: ${messageOf(error)}`);
    await endMarked({ world, token: machine.token, pid: undefined });
    return exitCodes.failed;
  }
  await endMarked({ world, token: machine.token, pid: undefined });
  await removeFolder(folder);
  return exitCodes.done;
}

interface Running {
  readonly folder: string;
  readonly machine: Machine;
  readonly world: World;
}

async function boot({ folder, machine, world }: Running): Promise<AsyncDisposable> {
  const pid = process.pid;
  await writeStatus(folder, { pid, state: "booting" });
  const { bare } = machine;
  const env = machineEnvironment(world, { folder, machine });
  const ending = new AbortController();
  const agentIsUp = bare ? undefined : keepAgent({ folder, machine, world }, { env, signal: ending.signal });
  const [server] = await Promise.all([
    listen(bare, {
      world,
      kill: sendSignal,
      hostKey: machine.hostKey.privateKey,
      authorizedKeys: [machine.authorizedKey, ...(bare?.moreKeys ?? [])],
      user: bare?.user ?? user,
      home: join(folder, "home"),
      shell: shellOf(world),
      environment: env,
      services: (bare ? bareServices : services).map((service) => ({ ...service, to: { path: agentSocket } })),
      onLog: (line) => say(world, line),
    }),
    world.clock.sleep(machine.bootMs),
    agentIsUp,
  ]);
  const { host, port } = server;
  if (bare) await runAtBoot({ folder, machine, world }, env);
  await writeStatus(folder, { pid, state: "running", host, port });
  await world.terminal.stdout.write(`${JSON.stringify({ host, port })}\n`).catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      ending.abort(new Error("the machine ends"));
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Names that lead to the agent, on a machine that has one from the start, and on a bare one. */
const services = [{ host: "ci", port: 8000 }, { host: "agent", port: 8080 }];
const bareServices = [{ host: "127.0.0.1", port: 8080 }, { host: "localhost", port: 8080 }];

const cannotListen = ["EACCES", "EPERM", "EADDRINUSE", "EADDRNOTAVAIL"];

/** At the bare machine's own address; where that cannot be had, as anywhere else at any port of the loopback. */
async function listen(bare: Machine["bare"], options: SshServerOptions): Promise<SshServer> {
  const { startSshServer } = await import("../../ssh/server.ts");
  if (bare === undefined) return await startSshServer(options);
  try {
    return await startSshServer({ ...options, host: bare.host, port: bare.port });
  } catch (error) {
    if (!cannotListen.includes(systemCode(error) ?? "")) throw error;
    options.onLog?.(`cannot listen at ${bare.host}:${bare.port}: ${messageOf(error)}`);
    return await startSshServer(options);
  }
}

/** What cron does on a machine that boots. */
async function runAtBoot(
  { folder, world }: Running,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const table = await readTextIfThere(join(folder, crontabFile)).catch(() => undefined);
  const commands = (table ?? "").split("\n").flatMap((line) => /^@reboot\s+(.*)$/.exec(line)?.[1] ?? []);
  for (const command of commands) {
    const child = world.spawn(["/bin/sh", "-c", command], {
      cwd: join(folder, "home"),
      env,
      detached: true,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    });
    child.on("error", (error) => say(world, `cannot run what is to run at boot: ${error.message}`));
  }
}

function startAgent({ folder, machine, world }: Running, env: Readonly<Record<string, string | undefined>>) {
  const agent = world.spawn([...world.self, "agent", "--socket", agentSocket, "--local"], {
    cwd: folder,
    env: { ...env, GPU_AGENT_TOKEN: machine.agentToken },
    detached: true,
    // Its end is that of this process, however that comes: the agent ends with its machine.
    stdin: "pipe",
    stdout: "inherit",
    stderr: "inherit",
  });
  agent.stdin?.on("error", () => {});
  agent.on("error", (error) => say(world, `cannot start the agent: ${error.message}`));
  agent.on("exit", (code, signal) => say(world, `the agent ended: ${signal ?? `exit ${code}`}`));
  return agent;
}

/** How long after its end the agent of a machine is started again; doubled each time it ends soon. */
const agentAgainMs = { first: 200, most: 60_000 };

/** Starts the agent, and again whenever it ends. Resolves when the first one answers, or is known not to. */
function keepAgent(
  running: Running,
  { env, signal }: { env: Readonly<Record<string, string | undefined>>; signal: AbortSignal },
): Promise<void> {
  const { clock } = running.world;
  const first = startAgent(running, env);
  const keep = async () => {
    let agent = first;
    for (let pauseMs = agentAgainMs.first;; pauseMs = Math.min(pauseMs * 2, agentAgainMs.most)) {
      const startedAt = clock.now();
      await new Promise<void>((resolve) => agent.once("exit", () => resolve()).once("error", () => resolve()));
      if (clock.now() - startedAt > agentAgainMs.most) pauseMs = agentAgainMs.first;
      await clock.sleep(pauseMs, signal);
      agent = startAgent(running, env);
    }
  };
  // Rejects only when the machine ends.
  keep().catch(() => {});
  return agentAnswers(first, running.world);
}

/** Resolves when the agent takes connections, or when it is known that it will not: the machine then runs without. */
async function agentAnswers(agent: ChildProcess, world: World): Promise<void> {
  const { clock } = world;
  const deadline = clock.now() + agentTimeoutMs;
  let isOver = false;
  agent.once("error", () => isOver = true);
  agent.once("exit", () => isOver = true);
  while (!isOver && clock.now() < deadline) {
    if (await canConnect(agentSocket)) return;
    await clock.sleep(10);
  }
  say(world, "running without an agent");
}

function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Resolves when the lease is over, which may move while we wait, or when there is no machine any more. */
async function leaseEnd({ folder, machine, world: { clock } }: Running): Promise<void> {
  const whoseLock = machine.bare?.livesWhileLocked;
  while (true) {
    const current = await readMachine(folder).catch(() => machine);
    if (current?.token !== machine.token) return;
    if (whoseLock !== undefined && !isLocked(whoseLock)) return;
    const leftMs = current.leaseEndsAt - clock.now();
    if (leftMs <= 0) return;
    await clock.sleep(Math.min(leftMs, watchMs));
  }
}

/** The machine's stderr is its log. */
function say(world: World, line: string): void {
  void world.terminal.stderr.write(`${new Date(world.clock.now()).toISOString()} ${line}\n`).catch(() => {});
}
