// A background process that was killed, is frozen, or meets a bug.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { freePort } from "./sshd.ts";
import { type Home, openHome } from "./shared-fixture.ts";

// Processes are started, and a busy computer takes its time.
setDefaultTimeout(30_000);

let home: Home;
beforeAll(async () => {
  home = await openHome();
});
afterAll(async () => {
  await home?.[Symbol.asyncDispose]();
});

async function killBackground(signal: NodeJS.Signals): Promise<void> {
  const pid = home.background();
  if (pid === undefined) throw new Error("there is no background process");
  process.kill(pid, signal);
  while (home.background() !== undefined) await Bun.sleep(10);
}

const tunnelStates = async () =>
  (JSON.parse((await home.gpu(["tunnel", "status", "--json"])).stdout) as { name: string; state: string }[])
    .map(({ name, state }) => `${name} ${state}`);

test("tunnels lost with their process are told, and how they come again", async () => {
  const local = await freePort();
  const opened = await home.gpu([
    ...["tunnel", "start", ...home.hostFlags, "--forward", `${local}:${home.sshd.address.port}`, "--name", "it's"],
  ]);
  expect(opened).toMatchObject({ code: 0 });
  await home.gpu(["tunnel", "start", ...home.hostFlags, "--socks", "0", "--name", "stopped"]);
  await home.gpu(["tunnel", "stop", "stopped"]);
  await killBackground("SIGKILL");

  const { code, stderr } = await home.gpu(["tunnel", "status"]);
  const again = /it's is lost: the process that held it is gone; `(.*)` opens it again/.exec(stderr)?.[1] ?? "";
  expect(code).toBe(0);
  expect(again).toStartWith("gpu tunnel start --host ");
  expect(await tunnelStates()).toEqual(["it's lost"]);
  // The command is read by a shell, and the port is the same.
  const child = Bun.spawn(["sh", "-c", again.replace(/^gpu/, '"$@"'), "sh", ...home.command], {
    ...{ cwd: home.home, env: home.env, stdout: "pipe", stderr: "pipe" },
  });
  expect(await new Response(child.stdout).text()).toContain(`127.0.0.1:${local} → `);
  expect(await tunnelStates()).toEqual(["it's open"]);

  await killBackground("SIGTERM");
  // Another process in the background knows nothing of it.
  await home.gpu(["tunnel", "start", ...home.hostFlags, "--socks", "0", "--name", "other"]);
  expect((await tunnelStates()).toSorted()).toEqual(["it's lost", "other open"]);
  expect(await home.gpu(["tunnel", "stop", "it's"])).toMatchObject({ code: 0 });
  expect(await tunnelStates()).toEqual(["other open"]);
  await home.gpu(["tunnel", "stop", "--all"]);
  expect(await tunnelStates()).toEqual([]);
});

test("a frozen background process is told of within a few seconds", async () => {
  await home.gpu(["tunnel", "start", ...home.hostFlags, "--socks", "0", "--name", "held"]);
  const pid = home.background() ?? 0;
  process.kill(pid, "SIGSTOP");
  try {
    const startedAt = performance.now();
    const { code, stderr } = await home.gpu(["tunnel", "start", ...home.hostFlags, "--socks", "0", "--name", "more"]);
    expect({ code, tookMs: performance.now() - startedAt }).toMatchObject({ code: 1 });
    expect(stderr).toContain("the background process takes connections and does not answer");
    expect(stderr).toContain("SIGCONT");
    expect(performance.now() - startedAt).toBeLessThan(9_000);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  expect(await tunnelStates()).toEqual(["held open"]);
  await home.gpu(["tunnel", "stop", "held"]);
});

test("a bug in the background process does not end what it holds", async () => {
  while (home.background() !== undefined) await Bun.sleep(10);
  const bug = join(home.home, "bug.ts");
  const gate = join(home.home, "now");
  writeFileSync(
    bug,
    `import { existsSync } from "node:fs";
     const look = setInterval(() => {
       if (!existsSync(${JSON.stringify(gate)})) return;
       clearInterval(look);
       setTimeout(() => { throw new Error("thrown"); }, 0);
       void Promise.reject(new Error("rejected"));
     }, 10);`,
  );
  const [bun = "", main = ""] = home.command;
  const background = Bun.spawn([bun, "--preload", bug, main, ":background"], {
    ...{ cwd: home.home, env: home.env, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const said = new Response(background.stderr).text();
  const socket = join(home.home, ".local/state/gpu/background.sock");
  // It stays while somebody is connected.
  const holder = await connected(socket);
  await home.gpu(["tunnel", "start", ...home.hostFlags, "--socks", "0", "--name", "held"]);
  holder.destroy();
  writeFileSync(gate, "");
  await Bun.sleep(100);
  expect(await tunnelStates()).toEqual(["held open"]);
  expect(background.exitCode).toBeNull();
  background.kill();
  const text = await said;
  expect(text).toContain("a bug: Error: rejected");
  expect(text).toContain("a bug: Error: thrown");
  await home.gpu(["tunnel", "stop", "held"]);
});

/** A connection, once somebody listens. */
async function connected(path: string): Promise<net.Socket> {
  for (;;) {
    const socket = net.connect(path);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    if (isOpen) return socket;
    await Bun.sleep(10);
  }
}
