import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
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

test("on a terminal the question comes behind what it is about", async () => {
  await using home = new Home();
  home.write("project/prod.env", "TOKEN=1234\n");
  for (let count = 0; count < 20; count++) symlinkSync("nowhere", join(home.work, "project", `link${count}`));
  await using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({ status: "ok" }) });
  for (let round = 0; round < 5; round++) {
    const argv = ["ci", "submit", "test", "--dir", "project", "--api-key", "k", "--server", server.url.origin];
    const gpu = home.startOnTerminal(argv);
    await gpu.shows("all the same?");
    const [before = ""] = gpu.shown.split("Send it");
    expect(before).toContain("looks like a file of variables");
    gpu.type("n");
    expect(await gpu.ended()).toEqual({ code: 1, signal: null });
  }
});

test("Ctrl-C before the server named a job says where to look for one", async () => {
  await using home = new Home();
  home.write("project/requirements.txt", "");
  const asked = Promise.withResolvers<void>();
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      if (new URL(request.url).pathname === "/health") return Response.json({ status: "ok" });
      asked.resolve();
      return await new Promise<Response>(() => {});
    },
  });
  const gpu = home.start(["ci", "submit", "test", "--dir", "project", "--api-key", "k", "--server", server.url.origin]);
  await asked.promise;
  gpu.kill("SIGINT");
  expect(await gpu.ended()).toMatchObject({
    code: 130,
    stderr: "stopped before the server named a job\nhint: `gpu ci list` shows whether it made one\n",
  });
});

function nameOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return ""; // The thread has ended.
  }
}
