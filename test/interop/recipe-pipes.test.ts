// Commands of a recipe on machines, and pipes between them in each direction: to OpenSSH's server and to ours.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readProc } from "../../src/processes.ts";
import { localShell as $ } from "../../src/recipe/local-shell.ts";
import { remoteExecutor } from "../../src/recipe/remote-shell.ts";
import { createShell, type Shell } from "../../src/recipe/shell.ts";
import { connect, type Session } from "../../src/ssh/session.ts";
import { type FakeRun, fakeRun } from "../fake/recipe-run.ts";
import { openServer } from "./openssh.ts";
import { realWorld, type Sshd, startSshd } from "./sshd.ts";

interface Machine {
  readonly $: Shell;
  readonly home: string;
  readonly session: Session;
  readonly plain: Shell;
}

let sshd: Sshd;
let server: Awaited<ReturnType<typeof openServer>>;
let theirs: Machine;
let ours: Machine;
let fake: FakeRun;

function machine(session: Session, home: string): Machine {
  const execute = remoteExecutor(() => Promise.resolve(session));
  // OpenSSH's server starts in the home of whoever runs the tests.
  const inHome: typeof execute = (command, options) =>
    execute(command, { ...options, folder: options.folder === undefined ? home : join(home, options.folder) });
  return { session, home, $: createShell("box.$", inHome), plain: createShell("box.$", execute) };
}

beforeAll(async () => {
  [sshd, server] = await Promise.all([startSshd(), openServer()]);
  const { address, privateKey, hostKey, folder } = sshd;
  const open = () => connect({ world: realWorld, address, privateKey, hostKey, timeoutMs: 5000 });
  theirs = machine(await open(), folder);
  const to = { host: "127.0.0.1", port: server.port, user: "gpu" };
  const key = readFileSync(join(server.folder, "client-key"), "utf8");
  const known = readFileSync(join(server.folder, "known_hosts"), "utf8").split(" ").slice(1).join(" ").trim();
  ours = machine(await connect({ world: realWorld, address: to, privateKey: key, hostKey: known }), server.home);
});
afterAll(async () => {
  await theirs?.session[Symbol.asyncDispose]();
  await ours?.session[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  const cwd = join(sshd.folder, "here");
  mkdirSync(cwd, { recursive: true });
  fake = fakeRun({ world: { cwd } });
});
afterEach(() => fake[Symbol.dispose]());

const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe.each(["sshd", "our server"])("on %s", (which) => {
  const box = () => which === "sshd" ? theirs : ours;

  test("a command has what it reads, its variables and its folder", async () => {
    const { $: there, home } = box();
    await there`mkdir -p "in here"`;
    expect(await there`pwd; echo "$A"; cat`.cwd("in here").env({ A: "it's" }).stdin("input").text()).toBe(
      `${home}/in here\nit's\ninput`,
    );
    expect(await box().plain`pwd`.cwd("~/in here").text()).toBe(`${home}/in here`);
    const gone = await there`pwd`.cwd("nowhere").nothrow();
    expect(gone.exitCode).not.toBe(0);
    expect(await there`echo "\${HOME-none}"`.env({ HOME: undefined }).text()).toBe("none");
    // What is in the environment is in no list of processes.
    expect(await there`ps -eo args | grep -c "[h]unter2"`.env({ SECRET: "hunter2" }).nothrow().text()).toBe("0");
  });

  test("bytes come through a pipe as they are, from here to there, back, and between machines", async () => {
    const { $: there, home } = box();
    const other = which === "sshd" ? ours : theirs;
    const bytes = randomBytes(6_000_000);
    writeFileSync(join(fake.run.context.world.cwd, "from"), bytes);
    await $`cat from`.pipe(there`cat > to`);
    expect(sum(readFileSync(join(home, "to")))).toBe(sum(bytes));
    await there`cat to`.pipe($`cat > back`);
    expect(sum(readFileSync(join(fake.run.context.world.cwd, "back")))).toBe(sum(bytes));
    await there`cat to`.pipe(other.$`cat > across`);
    expect(sum(readFileSync(join(other.home, "across")))).toBe(sum(bytes));
    expect(await $`cat from`.pipe(there`cat`).pipe(other.$`cat`).pipe($`sha256sum`).text()).toStartWith(sum(bytes));
  });

  test("a pipe has the exit codes of both, and fails where one does", async () => {
    const { $: there } = box();
    expect(await $`echo x; exit 3`.pipe(there`cat; exit 4`).nothrow()).toMatchObject({
      exitCode: 4,
      exitCodes: [3, 4],
      stdout: "x\n",
    });
    expect(await there`exit 5`.pipe($`cat`).nothrow()).toMatchObject({ exitCode: 5, exitCodes: [5, 0] });
    await expect(Promise.resolve(there`echo why >&2; exit 5`.pipe($`cat`))).rejects.toThrow("exited with 5:\nwhy");
  });

  test("a reader that ends early ends its writer, here and there", async () => {
    const { $: there } = box();
    expect(await there`echo $$ > writer; exec yes`.pipe($`head -n 3`).text()).toBe("y\ny\ny");
    expect(await $`yes`.pipe(there`head -n 3`).text()).toBe("y\ny\ny");
    const writer = Number(await there`cat writer`.text());
    expect(readProc().some(({ pid }) => pid === writer)).toBe(false);
  });

  test("an abort ends what runs there, with all that it started", async () => {
    const { $: there, home } = box();
    const running = (async () =>
      await there`
      setsid sh -c 'echo $$ > session; exec sleep 1000' &
      while [ ! -s session ]; do sleep 0.02; done
      echo $$ > shell; wait`.quiet())();
    running.catch(() => {});
    while (!existsSync(join(home, "shell"))) await Bun.sleep(10);
    const pids = [
      Number(readFileSync(join(home, "session"), "utf8")),
      Number(readFileSync(join(home, "shell"), "utf8")),
    ];
    fake.abort(new Error("interrupted"));
    await expect(running).rejects.toThrow("interrupted");
    expect(readProc().filter(({ pid }) => pids.includes(pid))).toEqual([]);
    await Bun.$`rm ${join(home, "shell")} ${join(home, "session")}`.quiet();
  }, 15_000);

  // What is garbage already stays for a while; that it does not grow with the amount is what counts.
  if (which !== "sshd") return;
  test("400 MB go there and back in bounded memory", async () => {
    const { $: there } = box();
    const amount = 400_000_000;
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    let most = 0;
    const watch = setInterval(() => most = Math.max(most, process.memoryUsage.rss()), 20);
    const count = await $`head -c ${amount} /dev/zero`.pipe(there`cat`).pipe($`wc -c`).text();
    clearInterval(watch);
    expect(Number(count)).toBe(amount);
    expect((most - before) / 2 ** 20).toBeLessThan(270);
  }, 60_000);
});

test("a connection that is lost in a pipe is an error, and what reads is not told of an end", async () => {
  const { address, privateKey, hostKey } = sshd;
  const session = await connect({ world: realWorld, address, privateKey, hostKey, timeoutMs: 5000 });
  const lost = createShell("box.$", remoteExecutor(() => Promise.resolve(session)));
  const piping = (async () => await lost`echo half; sleep 1000`.pipe($`cat > part; echo whole > whole`))();
  piping.catch(() => {});
  const { cwd } = fake.run.context.world;
  while (!existsSync(join(cwd, "part")) || readFileSync(join(cwd, "part")).length === 0) await Bun.sleep(10);
  sshd.dropConnections();
  await expect(piping).rejects.toThrow(/lost|closed/);
  expect(existsSync(join(cwd, "whole"))).toBe(false);
}, 15_000);
