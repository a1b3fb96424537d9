import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { machineFoldersOf, processesOf } from "../../scripts/traces.ts";
import { Home, useCompiled } from "./compiled.ts";

// Building is a part of it.
setDefaultTimeout(60_000);
useCompiled();

const recipe = (body: string) =>
  `import { gpu, recipe, z } from "gpu";
export default recipe({
  summary: "Rent one and go on for long",
  input: z.object({}),
  async run() {
    await using box = await gpu.start({ hours: 0.2 });
    console.log("here", box.id);
    ${body}
    return {};
  },
});
`;
const forever = "await new Promise<void>((resolve) => setTimeout(resolve, 600_000));";

/** The background process of this HOME. */
function reapersOf(home: Home): number[] {
  return processesOf(home.path).filter(({ command }) => command.endsWith(":background")).map(({ pid }) => pid);
}

function machinesOf(home: Home): string[] {
  return machineFoldersOf(home.path).filter((path) => /\/i-[0-9a-f]{8}$/.test(path));
}

/** Milliseconds until it is so. */
async function until(isSo: () => boolean, limitMs = 15_000): Promise<number> {
  const startedAt = performance.now();
  while (!isSo()) {
    if (performance.now() - startedAt > limitMs) throw new Error("it did not happen in time");
    await Bun.sleep(2);
  }
  return performance.now() - startedAt;
}

function launchesOf(home: Home): { state: string; endWhy: string | null }[] {
  using journal = new Database(join(home.stateFolder, "journal.db"), { readonly: true });
  return journal.query<{ state: string; endWhy: string | null }, []>("SELECT state, endWhy FROM launches").all();
}

async function rentInRecipe(home: Home, body = forever) {
  const running = home.start(["run", home.write("rent.ts", recipe(body)), "--yes"]);
  await running.printed("here");
  return running;
}

describe("nobody runs another command", () => {
  test("SIGKILL: the machine is gone within a second, the journal says why, and the reaper ends", async () => {
    await using home = new Home();
    const running = await rentInRecipe(home);
    expect(machinesOf(home)).toHaveLength(1);
    running.kill("SIGKILL");
    expect(await until(() => machinesOf(home).length === 0)).toBeLessThan(1000);
    await until(() => processesOf(home.path).length === 0);
    expect(launchesOf(home)).toEqual([{ state: "STOPPED", endWhy: "its run died" }]);
  });

  test("SIGKILL while it boots", async () => {
    await using home = new Home();
    const running = home.start(["start"], { env: { GPU_LOCAL_BOOT_MS: "60000" } });
    await until(() => machinesOf(home).length === 1);
    running.kill("SIGKILL");
    expect(await until(() => machinesOf(home).length === 0)).toBeLessThan(1000);
  });

  test("a lease that is over is ended, and the journal says so", async () => {
    await using home = new Home();
    expect((await home.run(["start", "--hours", "0.0005"])).code).toBe(0);
    await until(() => launchesOf(home)[0]?.state === "STOPPED");
    expect(launchesOf(home)[0]?.endWhy).toBe("its lease is over");
    await until(() => processesOf(home.path).length === 0);
  });

  test("a reaper that is killed while a run lives is back before the run can die", async () => {
    await using home = new Home();
    const running = await rentInRecipe(home);
    const [killed = 0] = reapersOf(home);
    process.kill(killed, "SIGKILL");
    await until(() => reapersOf(home).some((pid) => pid !== killed));
    await Bun.sleep(300);
    running.kill("SIGKILL");
    expect(await until(() => machinesOf(home).length === 0)).toBeLessThan(1000);
  });
});

test("a killed reaper is started again by the next command that looks at instances", async () => {
  await using home = new Home();
  await home.run(["start", "--hours", "0.2"]);
  const [killed = 0] = reapersOf(home);
  process.kill(killed, "SIGKILL");
  await until(() => reapersOf(home).length === 0);
  await home.run(["status"]);
  await until(() => reapersOf(home).length === 1);
  await home.run(["stop"]);
  await until(() => processesOf(home.path).length === 0);
});

test("keys are in no process's arguments or environment, and in no file", async () => {
  await using home = new Home();
  const LAMBDA_API_KEY = "secret_only_this_shell_has";
  await home.run(["start", "--provider", "local", "--hours", "0.2"], { env: { LAMBDA_API_KEY } });
  const [reaper = 0] = reapersOf(home);
  for (const file of ["environ", "cmdline"]) {
    expect(readFileSync(`/proc/${reaper}/${file}`, "utf8")).not.toContain(LAMBDA_API_KEY);
  }
  const { stdout } = Bun.spawnSync(["grep", "-rl", LAMBDA_API_KEY, home.path]);
  expect(stdout.toString()).toBe("");
  await home.run(["stop"]);
});

describe.if(process.platform === "linux")("a recipe that spins and never comes back", () => {
  test.concurrent.each([["SIGINT"], ["SIGTERM"], ["SIGHUP"]] as const)("%s ends it", async (signal) => {
    await using home = new Home();
    const running = await rentInRecipe(home, "for (;;);");
    // Long enough to be taken for one that does not come back.
    await Bun.sleep(2000);
    running.kill(signal);
    expect(await running.ended()).toMatchObject({ code: null, signal });
    expect(await until(() => machinesOf(home).length === 0)).toBeLessThan(1000);
  });

  test("one that was only busy for a while hears the signal as always", async () => {
    await using home = new Home();
    const busy = `for (const end = Date.now() + 2000; Date.now() < end;); console.log("through"); ${forever}`;
    const running = await rentInRecipe(home, busy);
    await running.printed("through");
    await Bun.sleep(700);
    running.kill("SIGINT");
    expect(await running.ended()).toMatchObject({ code: 130, signal: null });
    await home.expectNothingLeft();
  });
});

test("a machine of a lost journal is adopted, with its host key pinned, and is reached again", async () => {
  await using home = new Home();
  await home.run(["start", "--hours", "0.2", "--name", "lost"]);
  for (const pid of reapersOf(home)) process.kill(pid, "SIGKILL");
  for (const end of ["", "-wal", "-shm"]) rmSync(join(home.stateFolder, `journal.db${end}`), { force: true });
  expect((await home.run(["exec", "lost", "--", "true"])).stderr).toContain("was not launched from this computer");
  const adopted = await home.run(["adopt", "lost", "--hours", "0.1"]);
  expect(adopted).toMatchObject({ code: 0, stderr: expect.stringMatching(/its host key is SHA256:\S{43}/) });
  expect(await home.run(["exec", "lost", "--", "echo here"])).toMatchObject({ code: 0, stdout: "here\n" });
  await home.run(["stop", "lost"]);
  await home.expectNothingLeft();
});
