import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readProc } from "../../src/processes.ts";
import { localShell as $ } from "../../src/recipe/local-shell.ts";
import { type FakeRun, fakeRun } from "../fake/recipe-run.ts";

/** Where a child that left its session and its parent cannot be seen, there is nothing to test. */
const isLinux = process.platform === "linux";

/** A shell, a child, one in a session of its own, one whose parent is gone, one that ignores TERM, each with its pid in a file. */
const family = `
  sleep 1000 & echo $! > child
  setsid sh -c 'echo $$ > session; exec sleep 1000' &
  (setsid sh -c 'echo $$ > orphan; exec sleep 1000' > /dev/null 2>&1 < /dev/null &)
  sh -c 'trap "" TERM; echo $$ > deaf; while :; do sleep 1000; done' &
  while [ ! -s session ] || [ ! -s orphan ] || [ ! -s deaf ]; do sleep 0.02; done
  echo $$ > shell; echo ready; wait`;
const members = ["child", "session", "orphan", "deaf", "shell"];

let folder: string;
let fake: FakeRun;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gpu-tree-")));
  fake = fakeRun({ world: { cwd: folder } });
});
afterEach(() => {
  fake[Symbol.dispose]();
  for (const pid of living()) process.kill(pid, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function living(): number[] {
  const pids = members.map((name) => join(folder, name)).filter((path) => existsSync(path))
    .map((path) => Number(readFileSync(path, "utf8")));
  return readProc().map(({ pid }) => pid).filter((pid) => pids.includes(pid));
}

async function until(isSo: () => boolean): Promise<void> {
  for (const start = performance.now(); !isSo();) {
    if (performance.now() - start > 10_000) throw new Error("it did not come to that");
    await Bun.sleep(10);
  }
}

test.if(isLinux)(
  "a timeout ends all that a command started, also what left its group, its session and its parent",
  async () => {
    const running = (async () => await $`sh -c ${family}`.timeout("2s"))();
    await until(() => existsSync(join(folder, "shell")));
    expect(living()).toHaveLength(5);
    await expect(running).rejects.toThrow("took longer than 2s");
    expect(living()).toEqual([]);
  },
  20_000,
);

test.if(isLinux)("the end of a loop over its lines does so too", async () => {
  for await (const line of $`sh -c ${family}`) {
    expect(line).toBe("ready");
    break;
  }
  expect(living()).toEqual([]);
}, 20_000);

test.if(isLinux)("Ctrl-C at `gpu run` ends all of it, of each command of a pipe", async () => {
  writeFileSync(
    join(folder, "r.ts"),
    `import { $ } from "gpu";
     export default async () => { await $\`sh -c \${${JSON.stringify(family)}}\`.pipe($\`cat > out; sleep 1000\`); };`,
  );
  const main = join(import.meta.dir, "../../src/main.ts");
  const home = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_STATE_HOME: join(folder, "state"), XDG_CACHE_HOME: folder };
  const child = Bun.spawn([process.execPath, main, "run", "--no-check", "r.ts"], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...home },
    stdout: "ignore",
    stderr: "pipe",
  });
  await until(() => existsSync(join(folder, "shell")) && existsSync(join(folder, "out")));
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(living()).toEqual([]);
}, 30_000);

test("400 MB go through a pipe in bounded memory", async () => {
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  let most = 0;
  const watch = setInterval(() => most = Math.max(most, process.memoryUsage.rss()), 20);
  const count = await $`head -c 419430400 /dev/zero`.pipe($`cat`).pipe($`wc -c`).text();
  clearInterval(watch);
  expect(Number(count)).toBe(400 * 2 ** 20);
  expect(most - before).toBeLessThan(192 * 2 ** 20);
}, 60_000);
