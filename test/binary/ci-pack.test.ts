import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packProject } from "../../src/ci/pack/pack.ts";
import { executable, Home, useCompiled } from "./compiled.ts";

useCompiled();

test("the executable finds its own worker, and packs what the sources do", async () => {
  await using home = new Home();
  const dir = join(home.work, "project");
  mkdirSync(dir);
  for (let count = 0; count < 60; count++) {
    writeFileSync(join(dir, `file${count}.txt`), `line ${count} of a text\n`.repeat(20_000));
  }
  const child = Bun.spawn([executable, "ci", "pack", "--dir", "project", "--output", "it.zip"], {
    cwd: home.work,
    env: { HOME: home.path },
    stdout: "ignore",
  });
  let hadWorker = false;
  const watching = setInterval(() => {
    const tasks = `/proc/${child.pid}/task`;
    if (!existsSync(tasks)) return;
    const names = readdirSync(tasks).map((task) => nameOf(join(tasks, task, "comm")));
    hadWorker ||= names.filter((name) => name === "Worker").length >= 1;
  }, 2);
  expect(await child.exited).toBe(0);
  clearInterval(watching);
  const packed = await new Response((await packProject(dir, { ignore: true, threads: 1 })).stream()).bytes();
  expect(readFileSync(join(home.work, "it.zip")).equals(packed)).toBe(true);
  if (process.platform === "linux" && navigator.hardwareConcurrency > 1) expect(hadWorker).toBe(true);
});

function nameOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return ""; // The thread has ended.
  }
}
