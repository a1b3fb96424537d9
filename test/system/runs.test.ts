import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Real processes, machines of this computer, and a state folder of their own.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "gpu-runs-"));
const state = join(root, "state/gpu");
const environment = {
  PATH: process.env.PATH,
  HOME: root,
  XDG_CONFIG_HOME: join(root, "config"),
  XDG_STATE_HOME: join(root, "state"),
  XDG_CACHE_HOME: join(root, "cache"),
  GPU_LOCAL_BOOT_MS: "20",
};

interface Gpu {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  readonly ended: Promise<number | null>;
}

function start(...argv: readonly string[]): Gpu {
  const child = spawn(process.execPath, [join(import.meta.dir, "../../src/main.ts"), ...argv], {
    ...{ cwd: root, env: environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => said.stdout += chunk);
  child.stderr.on("data", (chunk) => said.stderr += chunk);
  return { child, said, ended: new Promise((resolve) => child.once("close", resolve)) };
}

async function gpu(...argv: readonly string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const { said, ended } = start(...argv);
  const exitCode = await ended;
  return { exitCode, ...said };
}

/** What is rented, as the journal says it. */
async function rented(): Promise<{ id: string; run: string }[]> {
  return JSON.parse((await gpu("status", "--json")).stdout);
}

async function until<T>(find: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
  for (let waited = 0; waited < 20_000; waited += 50) {
    const found = await find();
    if (found) return found as NonNullable<T>;
    await Bun.sleep(50);
  }
  throw new Error(`${what} did not happen`);
}

const write = (name: string, text: string) => writeFileSync(join(root, name), text);
const logOf = (id: string) => readFileSync(join(state, "runs", `${id}.jsonl`), "utf8");

beforeAll(() => {
  mkdirSync(root, { recursive: true });
  write(
    "long.ts",
    `import { gpu, $ } from "gpu";
     await using box = await gpu.start({ hours: 0.5, name: "box" });
     console.log("has", box.id);
     await box.$\`echo on the box; sleep 100\`;`,
  );
  write(
    "fails.ts",
    `import { gpu, step } from "gpu";
     import { existsSync } from "node:fs";
     await using box = await gpu.start({ hours: 0.5, name: "box" });
     const made = await step("make it", async () => (await box.$\`echo made >> made; wc -l < made\`.text()).trim());
     if (!existsSync("mended")) throw new Error("not mended");
     console.log(box.id, made, await box.$\`cat made\`.text());`,
  );
});

afterAll(async () => {
  await gpu("stop", "--all", "--yes");
  for (let waited = 0; existsSync(join(state, "background.sock")) && waited < 10_000; waited += 50) await Bun.sleep(50);
  rmSync(root, { recursive: true, force: true });
});

async function detached(): Promise<string> {
  const { stdout, exitCode } = await gpu("run", "--no-check", "long.ts", "--detach", "--yes");
  expect(exitCode).toBe(0);
  const id = stdout.trim();
  await until(() => logOf(id).includes("on the box"), "its output in the log");
  return id;
}

describe("a run in the background", () => {
  test("is followed and left, goes on, and is ended with what it rented", async () => {
    const id = await detached();
    expect(statSync(join(state, "runs", `${id}.jsonl`)).mode & 0o777).toBe(0o600);
    expect(existsSync(join(state, "runs", `${id}.said`))).toBe(false);
    expect(await rented()).toEqual([expect.objectContaining({ run: id })]);

    const attached = start("runs", "attach", id.slice(0, 6));
    await until(() => attached.said.stderr.includes("| on the box"), "the output of the step");
    expect(attached.said.stdout).toStartWith("has i-");
    attached.child.kill("SIGINT");
    expect(await attached.ended).toBe(0);
    expect(attached.said.stderr).toContain(`${id} goes on; \`gpu runs attach ${id}\` follows it again`);
    expect((await gpu("runs", "list", "--running")).stdout).toStartWith(`${id}\tlong.ts\trunning\t`);
    expect((await gpu("run", "--no-check", "long.ts", "--resume", id)).stderr).toContain("still goes on");

    const following = start("runs", "attach", id);
    await until(() => following.said.stderr.includes("| on the box"), "the output of the step");
    const cancelled = await gpu("runs", "cancel", id);
    expect(cancelled).toMatchObject({ exitCode: 0, stdout: `${id} is ended\n` });
    expect(await rented()).toEqual([]);
    // Its exit code is that of the run.
    expect(await following.ended).toBe(130);
  });

  test("shows no list of processes what its parameters are", async () => {
    write(
      "secretive.ts",
      `import { recipe, sleep, z } from "gpu";
       export default recipe({
         summary: "Wait with a secret",
         input: z.object({ token: z.string().meta({ secret: true }) }),
         async run({ token }) { console.log(token.length, "characters"); await sleep("100s"); },
       });`,
    );
    const { stdout } = await gpu("run", "--no-check", "secretive.ts", "--detach", "--token", "hunter2");
    const id = stdout.trim();
    await until(() => logOf(id).includes("7 characters"), "that it has its parameter");
    const { pid } = JSON.parse(logOf(id).split("\n")[0] ?? "");
    const listed = Bun.spawnSync(["ps", "-o", "args=", "-p", String(pid)]).stdout.toString();
    expect(listed).toContain(":run secretive.ts");
    expect(listed).not.toContain("hunter2");
    expect((await gpu("runs", "cancel", id)).exitCode).toBe(0);
  });

  test("whose process is killed is said to have died, and others give back what it rented", async () => {
    const id = await detached();
    const { pid } = JSON.parse(logOf(id).split("\n")[0] ?? "");
    process.kill(pid, "SIGKILL");
    await until(async () => (await rented()).length === 0, "that its instance is given back");
    const { stdout } = await gpu("runs", "show", id, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ state: "died", exitCode: null });
    expect(await gpu("runs", "attach", id)).toMatchObject({ exitCode: 1 });
  });

  test("that does not begin says why", async () => {
    write("paid.ts", `import { recipe } from "gpu"; export default recipe({ summary: "Say", run() {} });`);
    const { exitCode, stderr } = await gpu("run", "--no-check", "paid.ts", "--detach", "--huors", "1");
    expect(stderr).toContain("error: `gpu run paid.ts` has no flag `--huors`");
    expect(exitCode).toBe(2);
  });
});

test("a run that failed is gone on from: with its instance, and without the step that was finished", async () => {
  const failed = await gpu("run", "--no-check", "fails.ts", "--keep-on-failure", "0.2");
  expect(failed.exitCode).toBe(1);
  expect(failed.stderr).toContain("is kept for 12 min at $0.00/h (its run failed: not mended)");
  const [kept] = await rented();
  const [, id = ""] = /gpu runs show ([0-9a-f]{12})/.exec(failed.stderr) ?? [];
  write("mended", "");
  const { exitCode, stdout, stderr } = await gpu("run", "--no-check", "fails.ts", "--resume", id);
  expect(stderr).toContain(`make it: was done in the run ${id}`);
  expect(stdout).toBe(`${kept?.id} 1 made\n`);
  expect(exitCode).toBe(0);
  expect(await rented()).toEqual([]);
});

test("a run that failed keeps a machine that no scope ends, and one that went well gives it back", async () => {
  write(
    "plain.ts",
    `import { gpu } from "gpu"; const box = await gpu.start({ hours: 0.5 }); if (await Bun.file(import.meta.dir + "/fail").exists()) throw new Error("no");`,
  );
  write("fail", "");
  const failed = await gpu("run", "--no-check", "plain.ts", "--keep-on-failure");
  expect(failed.exitCode).toBe(1);
  expect(failed.stderr).toContain("is kept for 1 h 00 min");
  const kept = await rented();
  expect(kept).toHaveLength(1);
  rmSync(join(root, "fail"));
  expect((await gpu("run", "--no-check", "plain.ts", "--keep-on-failure")).exitCode).toBe(0);
  expect(await rented()).toEqual(kept);
  await gpu("stop", "--all", "--yes");
});

test("a watched recipe is run again when what it imports changes; the run before gives back what it rented", async () => {
  write("words.ts", `export const word = "first";`);
  write(
    "watched.ts",
    `import { gpu } from "gpu";
     import { word } from "./words.ts";
     await using box = await gpu.start({ hours: 0.5, name: "watched" });
     console.log(word, box.id);
     await box.$\`sleep 100\`;`,
  );
  const watching = start("run", "--no-check", "watched.ts", "--watch");
  await until(() => watching.said.stdout.includes("first i-"), "the first run");
  const [before] = await rented();
  await Bun.sleep(20);
  write("words.ts", `export const word = "second";`);
  await until(() => watching.said.stdout.includes("second i-"), "the second run");
  expect(watching.said.stderr).toContain("words.ts has changed: ending the run, then running it again");
  const now = await rented();
  expect(now.length).toBe(1);
  expect(now[0]?.id).not.toBe(before?.id);
  watching.child.kill("SIGTERM");
  expect(await watching.ended).toBe(143);
  expect(await rented()).toEqual([]);
});
