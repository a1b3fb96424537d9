import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readProc, sendSignal } from "../../src/processes.ts";
import { jobAt, projectOf, readJob, ServerHome, submit, until } from "./ci-serve.ts";

setDefaultTimeout(20_000);

let servers: ServerHome;
beforeEach(async () => {
  servers = await ServerHome.make();
});
afterEach(() => servers[Symbol.asyncDispose]());

const data = () => join(servers.home, ".local/state/gpu/ci");
const logOf = (id: string) => Bun.file(join(data(), "logs", `${id}.log`)).text();
const gate = () => join(servers.home, "gate");
const counting = (count: number) => `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); echo line $i; sleep 0.002; done`;

test("a server that is killed finds its jobs again: who runs goes on, who waits has a turn, no line is lost", async () => {
  const first = await servers.serve("--open");
  const running = await submit(
    first.url,
    projectOf(`${counting(300)}; while ! test -e ${gate()}; do sleep 0.01; done`),
  );
  const secret = JSON.stringify({ TOKEN: "open-sesame" });
  const waiting = await submit(first.url, projectOf('echo "<$TOKEN>" | tr a-z A-Z'), { fields: { env: secret } });
  await until(async () => (await logOf(running)).includes("line 20\n"));
  expect(await Bun.file(join(data(), "sealed", `${waiting}.bin`)).text()).not.toContain("sesame");
  first.kill("SIGKILL");
  await first.exited;
  const second = await servers.serve("--open");
  expect(second.listening).toMatchObject({ running: 1, queued: 1 });
  expect(await jobAt(second.url, running)).toMatchObject({ status: "running", success: null });
  expect(await jobAt(second.url, waiting)).toMatchObject({ status: "queued", start_time: null });
  await Bun.write(gate(), "");
  expect(await readJob(second.url, running)).toEqual({
    lines: Array.from({ length: 300 }, (_, index) => `line ${index + 1}\n`),
    success: true,
  });
  expect(await readJob(second.url, waiting)).toEqual({ lines: ["<OPEN-SESAME>\n"], success: true });
  expect(existsSync(join(data(), "sealed", `${waiting}.bin`))).toBe(false);
  expect([await readdir(join(data(), "uploads")), await readdir(join(data(), "work"))]).toEqual([[], []]);
});

test("a job that ended while no server was there is found as it ended", async () => {
  const first = await servers.serve("--open");
  const id = await submit(first.url, projectOf("echo up; sleep 0.3; echo down; exit 3"));
  await until(async () => (await logOf(id)) === "up\n");
  first.kill("SIGKILL");
  await first.exited;
  await until(() => existsSync(join(data(), "work", id, "end.json")));
  const second = await servers.serve("--open");
  expect(await readJob(second.url, id)).toEqual({ lines: ["up\n", "down\n"], success: false });
  const { start_time, end_time } = await jobAt(second.url, id);
  // When it ended, not when it was found.
  expect(Date.parse(String(end_time)) - Date.parse(String(start_time))).toBeLessThan(2_000);
});

test("a job whose process was killed too is lost, says so, and leaves nothing running", async () => {
  const first = await servers.serve("--open");
  const mark = `94${Date.now() % 100000}`;
  const id = await submit(first.url, projectOf(`printf half; setsid sleep ${mark} & sleep ${mark}`));
  await until(async () => (await logOf(id)) === "half");
  first.kill("SIGKILL");
  await first.exited;
  const runner = readProc().filter(({ carries, pid }) =>
    carries(`HOME=${servers.home}`) && commandOf(pid).includes(":ci-job")
  );
  expect(runner).toHaveLength(1);
  for (const { pid } of runner) sendSignal(pid, "SIGKILL");
  const second = await servers.serve("--open");
  expect(await readJob(second.url, id)).toEqual({
    lines: ["half\n", "gpu: what ran this job is gone without a word; all it had started is ended\n"],
    success: false,
  });
  expect(await jobAt(second.url, id)).toMatchObject({ status: "lost", success: false });
  expect(readProc().filter(({ pid }) => commandOf(pid).split("\0").includes(mark))).toEqual([]);
});

test("SIGTERM takes no more jobs and lets the one that runs come to its end; the next waits for the next start", async () => {
  const first = await servers.serve("--open");
  const running = await submit(
    first.url,
    projectOf(`echo up; while ! test -e ${gate()}; do sleep 0.01; done; echo down`),
  );
  const waiting = await submit(first.url, projectOf("echo me too"));
  await until(async () => (await logOf(running)) === "up\n");
  const followed = readJob(first.url, running);
  first.kill("SIGTERM");
  await until(async () => (await submit(first.url, projectOf("true")).catch(String)).toString().includes("503"));
  await Bun.write(gate(), "");
  expect(await followed).toEqual({ lines: ["up\n", "down\n"], success: true });
  expect(await first.exited).toBe(0);
  expect((await first.output()).stdout.trim().split("\n").slice(1).map((line) => JSON.parse(line) as unknown))
    .toMatchObject([
      { type: "stopping", running: 1, queued: 1 },
      { type: "job", job_id: running, status: "completed", success: true },
      { type: "stopped", queued: 1 },
    ]);
  const second = await servers.serve("--open");
  expect(await readJob(second.url, waiting)).toEqual({ lines: ["me too\n"], success: true });
});

test("a user who is deactivated beside the running server is cut off, and whose job it was is said", async () => {
  const key = await servers.makeKey("ada");
  const server = await servers.serve();
  const id = await submit(server.url, projectOf(`echo up; while ! test -e ${gate()}; do sleep 0.01; done`), { key });
  await until(async () => (await logOf(id)) === "up\n");
  const path = `${server.url}/jobs/${id}/stream?from_beginning=true`;
  const followed = await fetch(path, { headers: { authorization: `Bearer ${key}` } });
  expect((await servers.gpu("ci", "user", "deactivate", "--email", "ada@example.com")).exitCode).toBe(0);
  const said = await followed.text();
  expect(said).toContain('"up\\n"');
  expect(said).not.toContain("complete");
  await Bun.write(gate(), "");
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  expect((await server.output()).stdout).toContain('"user_email":"ada@example.com"');
});

test("SIGTERM twice stops the job that runs", async () => {
  const server = await servers.serve("--open");
  const id = await submit(server.url, projectOf("echo up; exec sleep 600"));
  await until(async () => (await logOf(id)) === "up\n");
  server.kill("SIGTERM");
  await Bun.sleep(50);
  server.kill("SIGTERM");
  expect(await server.exited).toBe(0);
  expect(await logOf(id)).toBe("up\ngpu: the job was stopped: the server was stopped\n");
});

test("a data folder has one server", async () => {
  await servers.serve("--open");
  const { stderr, exitCode } = await servers.gpu("ci", "serve", "--open", "--port", "0");
  expect(exitCode).toBe(1);
  expect(stderr).toContain("another CI server uses");
});

test("a hundred submissions at once are all taken, and none is forgotten by a kill", async () => {
  const first = await servers.serve("--open");
  const running = await submit(first.url, projectOf("sleep 600"));
  const ids = await Promise.all(Array.from({ length: 100 }, () => submit(first.url, projectOf("true"))));
  expect(new Set(ids).size).toBe(100);
  first.kill("SIGKILL");
  await first.exited;
  const second = await servers.serve("--open");
  expect(second.listening).toMatchObject({ running: 1, queued: 100 });
  const listed = await (await fetch(`${second.url}/jobs`)).json() as { job_id: string }[];
  expect(listed.map(({ job_id }) => job_id).toSorted()).toEqual([running, ...ids].toSorted());
  // What was found again can be stopped, too.
  expect(await (await fetch(`${second.url}/jobs/${running}/cancel`, { method: "POST" })).json()).toMatchObject({
    status: "cancelled",
    success: false,
  });
  expect(await logOf(running)).toBe("gpu: the job was stopped: it was cancelled\n");
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
