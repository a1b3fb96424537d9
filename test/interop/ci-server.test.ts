import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { zipSync } from "fflate";
import { chmod, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentOptions, startAgent } from "../../src/agent/agent.ts";
import { ciClient } from "../../src/ci/client/client.ts";
import type { CiEvent } from "../../src/ci/job.ts";
import type { Listener } from "../../src/ci/server/listen.ts";
import { packProject } from "../../src/ci/pack/pack.ts";
import { ciWorld, present } from "../fake/ci-world.ts";

const token = "secret-of-the-agent";
let home: string;
let agent: Listener;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "ci-server-"));
  agent = await start();
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

function start(given: Partial<AgentOptions> = {}): Promise<Listener> {
  const env = { PATH: process.env.PATH, HOME: home, GPU_AGENT_TOKEN: token, GPU_MACHINE: "m", SOME_API_KEY: "x" };
  return startAgent({ world: ciWorld({ home, env }), token, port: 0, dataFolder: join(home, "data"), ...given });
}

const client = () => ciClient({ world: ciWorld({ home }), server: agent.address, apiKey: token });

async function project(files: Record<string, string>): Promise<() => ReadableStream<Uint8Array>> {
  const dir = await mkdtemp(join(home, "project-"));
  for (const [name, content] of Object.entries(files)) await Bun.write(join(dir, name), content);
  return (await packProject(dir, { ignore: true })).stream;
}

const makefile = (...lines: string[]) => ({ Makefile: `test:\n${lines.map((line) => `\t@${line}\n`).join("")}` });
const yaml = (content: object) => ({ "gpu-ci.yaml": JSON.stringify(content) });

async function run(
  files: Record<string, string>,
  args?: string[],
): Promise<{ log: string; success: boolean; id: string }> {
  return await read(client().submitStreaming(await project(files), { args }));
}

async function read(events: AsyncIterable<CiEvent>): Promise<{ log: string; success: boolean; id: string }> {
  let log = "";
  let id = "";
  for await (const event of events) {
    if (event.type === "job_id") id = event.jobId;
    if (event.type === "log") log += event.data;
    if (event.type === "complete") return { log, id, success: event.success };
  }
  throw new Error("the stream ended without a result");
}

/** Commands of living processes that carry a text in their command line. */
async function living(text: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => Bun.file(`/proc/${pid}/cmdline`).text().catch(() => "")));
  return lines.filter((line) => line.split("\0").includes(text));
}

describe("a job", () => {
  test("succeeds, and says its lines in order, stderr too", async () => {
    const { success, log } = await run(makefile("echo one", "echo two >&2", "echo three"));
    expect({ success, log }).toEqual({ success: true, log: "one\ntwo\nthree\n" });
  });

  test("fails when its tests do", async () => {
    expect(await run(makefile("echo no", "exit 3"))).toMatchObject({
      success: false,
      log: expect.stringContaining("no\n"),
    });
  });

  test("runs with arguments that are quoted, in a clean environment", async () => {
    const { log } = await run(yaml({ test: "printf '<%s>\\n'" }), ["a b", "$HOME;", "it's"]);
    expect(log).toBe("<a b>\n<$HOME;>\n<it's>\n");
    const env = (await run(yaml({ test: "env", env: { MINE: "1" } }))).log;
    expect(env).toContain("MINE=1\n");
    expect(env).toContain("CI=true\n");
    expect(env).toContain("GPU_MACHINE=m\n");
    expect(env).not.toContain(token);
    expect(env).not.toContain("SOME_API_KEY");
  });

  test("keeps modes and runs in a folder of its own that is removed", async () => {
    const dir = await mkdtemp(join(home, "project-"));
    await Bun.write(join(dir, "run"), "#!/bin/sh\npwd\n");
    await chmod(join(dir, "run"), 0o755);
    await Bun.write(join(dir, "Makefile"), "test:\n\t@./run\n");
    const { success, log } = await read(client().submitStreaming((await packProject(dir, { ignore: true })).stream));
    expect(success).toBe(true);
    expect(log.trim()).toStartWith(join(home, "data", "work"));
    expect(await readdir(join(home, "data", "work"))).toEqual([]);
    expect(await readdir(join(home, "data", "uploads"))).toEqual([]);
  });

  test("says what failed when its setup does", async () => {
    const { success, log } = await run(yaml({ setup: ["echo fine", "echo bad; exit 7"], test: "echo never" }));
    expect({ success, log }).toEqual({
      success: false,
      log: "fine\nbad\ngpu: the setup failed: `echo bad; exit 7` ended with exit code 7\n",
    });
  });

  test("that nothing can be made of says what was looked for", async () => {
    const { success, log } = await run({ "readme.txt": "hello" });
    expect(success).toBe(false);
    expect(log).toContain("Looked for: gpu-ci.yaml, bun.lock");
  });

  test("is stopped with all it started when it takes too long", async () => {
    const mark = `98${Date.now() % 100000}`;
    const { success, log } = await run(yaml({ test: `setsid sleep ${mark} & sleep ${mark}`, timeout: "200ms" }));
    expect(success).toBe(false);
    expect(log).toBe("gpu: the job was stopped: it took longer than 0.2 s\n");
    expect(await living(mark)).toEqual([]);
  });

  test("leaves no server behind, and does not wait for one", async () => {
    const mark = `97${Date.now() % 100000}`;
    const { success } = await run(yaml({ setup: [`sleep ${mark} &`], test: `sleep ${mark} & echo ok` }));
    expect(success).toBe(true);
    expect(await living(mark)).toEqual([]);
  });

  test("can be cancelled", async () => {
    const { submitStreaming, cancelJob, getJob } = client();
    const mark = `96${Date.now() % 100000}`;
    const events = submitStreaming(await project(yaml({ test: `echo up; exec sleep ${mark}` })));
    const jobId = ((await events.next()).value as { jobId: string }).jobId;
    expect((await events.next()).value).toEqual({ type: "log", data: "up\n" });
    expect(await cancelJob(jobId)).toMatchObject({ status: "cancelled", success: false });
    expect(await read(events)).toMatchObject({ success: false, log: "gpu: the job was stopped: it was cancelled\n" });
    expect(await living(mark)).toEqual([]);
    expect((await cancelJob(jobId)).status).toBe("cancelled");
    expect((await getJob(jobId)).end_time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  test("may say anything: long lines, bytes that are not UTF-8, no newline at the end", async () => {
    const { log } = await run(
      yaml({ test: `head -c 200000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\n'; printf 'é–end'` }),
    );
    expect(log).toBe(`${"x".repeat(200_000)}\na\uFFFDb\né–end`);
  });
});

describe("following", () => {
  test("resumes exactly where a client stopped", async () => {
    const { id } = await run(makefile("printf 'a\\nb\\nc\\n'"));
    const headers = { authorization: `Bearer ${token}`, "last-event-id": "2" };
    const text = await (await fetch(`${agent.address}/jobs/${id}/stream`, { headers })).text();
    expect(text).toBe(
      ': ping\n\nid: 3\ndata: {"type":"log","data":"c\\n"}\n\ndata: {"type":"complete","success":true}\n\n',
    );
  });

  test("forward-only means what comes from now on", async () => {
    const { submitStreaming, streamJob } = client();
    const gate = join(home, "gate");
    const events = submitStreaming(
      await project(yaml({ test: `echo old; while ! test -e ${gate}; do sleep 0.01; done; echo new` })),
    );
    const jobId = ((await events.next()).value as { jobId: string }).jobId;
    await events.next();
    const answer = await fetch(`${agent.address}/jobs/${jobId}/stream`, {
      headers: { authorization: `Bearer ${token}` },
    });
    let text = "";
    for await (const piece of present(answer.body)) {
      text += new TextDecoder().decode(piece);
      // Its place in the log is fixed from here on.
      if (text.includes("id: 1\n\n")) await Bun.write(gate, "");
    }
    expect(text.split("\n\n").filter((part) => part.includes("data: "))).toEqual([
      'id: 2\ndata: {"type":"log","data":"new\\n"}',
      'data: {"type":"complete","success":true}',
    ]);
    expect((await read(streamJob(jobId, { fromBeginning: true }))).log).toBe("old\nnew\n");
    await events.return(undefined);
  });

  test("jobs wait for their turn, and are listed", async () => {
    const { submitAsync, listJobs, streamJob } = client();
    const gate = join(home, "gate");
    const zip = await project(yaml({ test: `while ! test -e ${gate}; do sleep 0.01; done` }));
    const first = await submitAsync(zip);
    const second = await submitAsync(zip);
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const waiting = await listJobs();
    expect(waiting.find(({ job_id }) => job_id === second)).toMatchObject({ status: "queued", start_time: null });
    await Bun.write(gate, "");
    expect((await read(streamJob(second))).success).toBe(true);
    expect((await listJobs({ status: "completed" })).map(({ job_id }) => job_id)).toEqual([second, first]);
    expect(await listJobs({ limit: 1 })).toHaveLength(1);
  });

  test("after a restart a job that cannot run any more is lost, and its log says so", async () => {
    const { submitAsync } = client();
    const jobId = await submitAsync(await project(yaml({ test: "true" })));
    await read(client().streamJob(jobId, { fromBeginning: true }));
    const { Database } = await import("bun:sqlite");
    await agent[Symbol.asyncDispose]();
    // As if it had been killed before the job had its turn, and somebody had cleaned up since.
    const db = new Database(join(home, "data", "jobs.db"));
    db.run("UPDATE jobs SET status = 'queued', success = NULL, start_time = NULL, end_time = NULL");
    db.close();
    agent = await start();
    const { log, success } = await read(client().streamJob(jobId, { fromBeginning: true }));
    expect({ log, success }).toEqual({
      log: "gpu: the server stopped before this job ran, and its upload is gone\n",
      success: false,
    });
    expect(await client().getJob(jobId)).toMatchObject({ status: "lost", success: false });
  });
});

describe("what is refused, in the existing server's words", () => {
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${agent.address}${path}`, { headers: { authorization: `Bearer ${token}` }, ...init });

  test.each([
    ["no key", "/jobs", { headers: {} }, 403, { detail: "Not authenticated" }],
    ["an empty key", "/jobs", { headers: { authorization: "Bearer " } }, 403, { detail: "Not authenticated" }],
    ["another scheme", "/jobs", { headers: { authorization: "Basic eA==" } }, 403, {
      detail: "Invalid authentication credentials",
    }],
    ["a wrong key", "/jobs", { headers: { authorization: "Bearer no" } }, 401, {
      detail: "Invalid or revoked API key",
    }],
    ["an unknown job", "/jobs/x", {}, 404, { detail: "Job not found" }],
    ["an unknown path", "/x", {}, 404, { detail: "Not Found" }],
    ["a wrong method", "/jobs", { method: "DELETE" }, 405, { detail: "Method Not Allowed" }],
    ["no file", "/submit-async", { method: "POST", body: new FormData() }, 422, {
      detail: [{ type: "missing", loc: ["body", "file"], msg: "Field required", input: null }],
    }],
  ])("%s", async (_case, path, init, status, body) => {
    const answer = await ask(path, { ...init as RequestInit });
    expect({ status: answer.status, body: await answer.json() as unknown }).toEqual({ status, body });
  });

  test("an existing client's form is taken, and one submission is one job", async () => {
    const send = (key: string) => {
      const form = new FormData();
      form.set(
        "file",
        new File([zipSync({ Makefile: new TextEncoder().encode("test:\n\t@echo hi\n") })], "project.zip"),
      );
      return ask("/submit-async", {
        method: "POST",
        body: form,
        headers: { authorization: `Bearer ${token}`, "idempotency-key": key },
      });
    };
    const ids = await Promise.all(
      ["k", "k", "l"].map(async (key) => (await (await send(key)).json() as { job_id: string }).job_id),
    );
    expect(new Set(ids).size).toBe(2);
  });

  test("a job that cannot be written down leaves no upload behind", async () => {
    const { Database } = await import("bun:sqlite");
    using db = new Database(join(home, "data", "jobs.db"));
    db.run("DROP TABLE jobs");
    const form = new FormData();
    form.set("file", new File([zipSync({ Makefile: new Uint8Array() })], "project.zip"));
    const answer = await ask("/submit-async", {
      method: "POST",
      body: form,
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(507);
    expect(await readdir(join(home, "data", "uploads"))).toEqual([]);
  });

  test.each([
    ["a name that leads out", { "../evil": "x" }, "leads out of the project"],
    ["an absolute name", { "/tmp/evil": "x" }, "leads out of the project"],
    ["a file where a folder is", { a: "x", "a/b": "y" }, 'the folder of "a/b" cannot be made'],
  ])("an archive with %s", async (_case, files, why) => {
    const archive = zipSync(
      Object.fromEntries(Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)])),
    );
    const { success, log } = await read(client().submitStreaming(() => present(new Response(archive).body)));
    expect(success).toBe(false);
    expect(log).toStartWith("gpu: the upload cannot be unpacked: ");
    expect(log).toContain(why);
  });

  test("an archive that was cut off, or is none", async () => {
    const archive = zipSync({ a: new Uint8Array(1000) });
    for (const broken of [archive.subarray(0, 60), new Uint8Array(0), new TextEncoder().encode("not a zip")]) {
      const { success, log } = await read(client().submitStreaming(() => present(new Response(broken).body)));
      expect(success).toBe(false);
      expect(log).toMatch(/^gpu: the upload cannot be unpacked: it is (not a zip archive, or it was cut off|empty)\n$/);
    }
  });
});

describe("the agent", () => {
  test("serves both on a Unix socket that only its owner may open", async () => {
    const socket = join(home, "agent.sock");
    await using _second = await start({ socket, port: undefined, dataFolder: join(home, "data2") });
    const ask = (path: string, headers = {}) => fetch(`http://agent${path}`, { unix: socket, headers });
    expect(await (await ask("/health")).json()).toMatchObject({ status: "ok", server: "gpu" });
    expect((await ask("/status")).status).toBe(401);
    expect(await (await ask("/status")).json()).toEqual({ error: "unauthorized" });
    expect(await (await ask("/status", { authorization: `Bearer ${token}` })).json()).toMatchObject({
      status: "healthy",
      uptime_minutes: 0,
      gpu_utilization: expect.any(Number),
    });
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    await expect(start({ socket, dataFolder: join(home, "data3") })).rejects.toThrow("another program listens there");
  });

  test("as a process of its own ends on SIGTERM with all its jobs, and leaves no socket", async () => {
    const main = join(import.meta.dir, "../../src/main.ts");
    const mark = `95${Date.now() % 100000}`;
    const child = Bun.spawn([process.execPath, main, "agent", "--socket", "agent.sock"], {
      cwd: home,
      env: { PATH: process.env.PATH, HOME: home, GPU_AGENT_TOKEN: token },
      stderr: "pipe",
    });
    const unix = join(home, "agent.sock");
    while (!(await readdir(home)).includes("agent.sock")) await Bun.sleep(5);
    const world = ciWorld({ home, fetch: (url, init) => fetch(url, { ...init, unix }) });
    const { submitStreaming } = ciClient({ world, server: "http://agent", apiKey: token });
    const events = submitStreaming(
      await project(yaml({ test: `echo "<$GPU_AGENT_TOKEN>"; setsid sleep ${mark} & sleep ${mark}` })),
    );
    await events.next();
    expect((await events.next()).value).toEqual({ type: "log", data: "<>\n" });
    child.kill("SIGTERM");
    expect(await read(events)).toMatchObject({
      success: false,
      log: "gpu: the job was stopped: the server was stopped\n",
    });
    expect(await child.exited).toBe(0);
    expect(await living(mark)).toEqual([]);
    expect(await readdir(home)).not.toContain("agent.sock");
    expect(await new Response(child.stderr).text()).toBe("");
  }, 15_000);

  test("gives jobs a `bun` where there is none", async () => {
    const tools = join(home, "tools");
    await mkdir(tools);
    for (const name of ["sh", "make", "env"]) await Bun.$`ln -s ${Bun.which(name)} ${join(tools, name)}`.quiet();
    const world = ciWorld({ home, env: { PATH: tools, HOME: home } });
    await using other = await startAgent({ world, token, port: 0, dataFolder: join(home, "data2") });
    const { submitStreaming } = ciClient({ world, server: other.address, apiKey: token });
    const { success, log } = await read(submitStreaming(await project(makefile("bun --version"))));
    expect({ success, log }).toEqual({ success: true, log: `${Bun.version}\n` });
  });
});
