import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentOptions, startAgent } from "../../src/agent/agent.ts";
import { ciWorld } from "../fake/ci-world.ts";

const token = "the-token-of-this-machine";
const bearer = { authorization: `Bearer ${token}` };
const hourMs = 3_600_000;

let home: string;
let agent: Awaited<ReturnType<typeof startAgent>>;
let createdAt: number;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "gpu-agent-"));
  createdAt = Date.now();
  agent = await start();
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

function start(options: Partial<AgentOptions> = {}) {
  writeFileSync(
    join(home, "nvidia-smi"),
    `#!/bin/sh
echo '0, GPU-a, 590.48.01, 00000000:01:00.0, 41, 37, 81559, 1024, 80000, 310.50, 700.00, 12, Disabled, NVIDIA "H100" \\80GB'
echo '1, GPU-b, 590.48.01, 00000000:02:00.0, [N/A], [N/A], 81559, 0, 81559, [N/A], 700.00, [N/A], Disabled, NVIDIA H100'
`,
    { mode: 0o700 },
  );
  const world = ciWorld({ home, env: { PATH: `${home}:${process.env.PATH}`, HOME: home } });
  const lease = { path: join(home, "lease.json"), begin: { createdAt, leaseEndsAt: createdAt + 2 * hourMs } };
  return startAgent({ world, token, port: 0, dataFolder: join(home, "data"), instanceId: "i-1", lease, ...options });
}

async function restart(options: Partial<AgentOptions>): Promise<void> {
  await agent[Symbol.asyncDispose]();
  agent = await start(options);
}

const ask = (path: string, init: RequestInit = {}) => fetch(`${agent.address}${path}`, init);
const getStatus = async () => await (await ask("/status", { headers: bearer })).json();
const endsAt = async () => Date.parse((await getStatus()).shutdown_at);

async function extend(body: BodyInit | undefined, headers: Record<string, string> = bearer) {
  const response = await ask("/extend", { method: "POST", headers, body });
  expect(response.headers.get("content-type")).toStartWith("application/json");
  return { status: response.status, body: await response.json() };
}

const form = (fields: Record<string, string>) => new URLSearchParams(fields);
const json = (value: unknown) => [JSON.stringify(value), { ...bearer, "content-type": "application/json" }] as const;

test("its health satisfies clients of both protocols, and needs no token", async () => {
  const response = await ask("/health");
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: "ok", server: "gpu", daemon: "healthy" });
});

test("its status has every key of a status daemon's, and more", async () => {
  const status = await getStatus();
  expect(status).toMatchObject({
    instance_id: "i-1",
    status: "healthy",
    uptime_minutes: 0,
    idle_minutes: 0,
    shutdown_at: new Date(createdAt + 2 * hourMs).toISOString(),
    shutdown_in_minutes: 119,
    model_loaded: "not-loaded",
    gpu_utilization: 37,
    boot_time: new Date(createdAt).toISOString(),
    last_sglang_activity: null,
    last_n8n_activity: null,
    sglang_tokens_total: 0,
    n8n_executions_total: 0,
    sglang_metrics_healthy: false,
    n8n_metrics_healthy: false,
    idle_timeout_minutes: null,
    jobs_running: 0,
    gpus: [{ utilization: 37 }, { utilization: null }],
  });
});

describe("without its token", () => {
  test("it says 401 as a status daemon does", async () => {
    for (const [method, path] of [["GET", "/status"], ["POST", "/extend"], ["POST", "/activity"], ["POST", "/idle"]]) {
      for (const authorization of ["", "Bearer wrong", `Basic ${token}`]) {
        const response = await ask(path ?? "", { method, headers: { authorization } });
        expect({ path, status: response.status }).toEqual({ path, status: 401 });
        expect(await response.json()).toEqual({ error: "unauthorized" });
      }
    }
    for (const path of ["/", "/metrics", "/?token=wrong", "/?token="]) {
      const response = await ask(path);
      expect({ status: response.status, text: await response.text() }).toEqual({ status: 401, text: "Unauthorized" });
    }
    expect((await ask("/shutdown", { method: "POST" })).status).toBe(401);
  });
});

describe("asked for a longer lease", () => {
  test("it adds whole hours, as a form or as JSON, and says what it added", async () => {
    const before = await endsAt();
    const urlencoded = await extend(form({ hours: "2" }));
    expect(urlencoded).toEqual({
      status: 200,
      body: { extended_by_hours: 2, new_shutdown_at: new Date(before + 2 * hourMs).toISOString() },
    });
    expect((await extend(...json({ hours: 1 }))).body).toMatchObject({ extended_by_hours: 1 });
    expect((await extend(...json({ hours: "1" }))).body).toMatchObject({ extended_by_hours: 1 });
    const multipart = new FormData();
    multipart.set("hours", "1");
    expect((await extend(multipart)).body).toMatchObject({ extended_by_hours: 1 });
    // `curl -d '{"hours": 1}'` says that it sends a form.
    const mislabelled = await extend('{"hours": 1}', {
      ...bearer,
      "content-type": "application/x-www-form-urlencoded",
    });
    expect(mislabelled.body).toMatchObject({ extended_by_hours: 1 });
    expect(await endsAt()).toBe(before + 6 * hourMs);
  });

  test("it takes the token in the form, too", async () => {
    expect((await extend(form({ hours: "1", token }), {})).body).toMatchObject({ extended_by_hours: 1 });
    expect((await extend(form({ hours: "1", token: "wrong" }), {})).status).toBe(401);
    expect((await extend(JSON.stringify({ hours: 1, token }), { "content-type": "application/json" })).status).toBe(
      401,
    );
  });

  test("it refuses what is no number of hours, in words, and the lease stays as it is", async () => {
    const before = await endsAt();
    const cases: [BodyInit | undefined, string][] = [
      [undefined, "`hours` is missing"],
      [form({}), "`hours` is missing"],
      [form({ hours: "" }), "`hours` is not a number"],
      [form({ hours: "two" }), "`hours` is not a number"],
      [form({ hours: "0x10" }), "`hours` is not a number"],
      [form({ hours: "1.5" }), "`hours` must be a whole number"],
      [form({ hours: "0" }), "`hours` must be more than 0"],
      [form({ hours: "-3" }), "`hours` must be more than 0"],
    ];
    for (const [body, error] of cases) expect(await extend(body)).toEqual({ status: 400, body: { error } });
    for (const hours of [null, true, [2], {}, "1e400", 1e300, -1, 0.5]) {
      expect((await extend(...json({ hours }))).status).toBe(400);
    }
    for (const text of ["[2]", "2", "{", "null"]) {
      expect(await extend(text, { ...bearer, "content-type": "application/json" })).toEqual({
        status: 400,
        body: { error: "the body is not a JSON object" },
      });
    }
    expect((await extend(" ".repeat(100_000))).status).toBe(413);
    expect(await endsAt()).toBe(before);
  });

  test("it is honest at the limit of all together", async () => {
    expect((await extend(form({ hours: "10" }))).body).toMatchObject({ extended_by_hours: 10 });
    const { status, body } = await extend(form({ hours: "20" }));
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { extended_by_hours: 12, limit: "the whole lease is limited to 24 h" },
    });
    expect((await extend(form({ hours: "1" }))).body).toMatchObject({
      extended_by_hours: 0,
      new_shutdown_at: body.new_shutdown_at,
    });
  });

  test("it takes an exact end, which does no harm when it is asked for twice", async () => {
    const until = new Date(createdAt + 30 * hourMs).toISOString();
    for (let count = 0; count < 2; count++) {
      expect((await extend(...json({ shutdown_at: until }))).body).toMatchObject({ new_shutdown_at: until });
    }
    for (const wrong of ["tomorrow", 5, new Date(createdAt - 1).toISOString(), "2026-01-01"]) {
      expect((await extend(...json({ shutdown_at: wrong }))).status).toBe(400);
    }
    expect(await endsAt()).toBe(createdAt + 30 * hourMs);
  });

  test("it keeps what else stands in the lease's file, and follows what others write there", async () => {
    const path = join(home, "lease.json");
    writeFileSync(path, JSON.stringify({ createdAt, leaseEndsAt: createdAt + hourMs, token: "other" }), {
      mode: 0o600,
    });
    expect(await endsAt()).toBe(createdAt + hourMs);
    await extend(form({ hours: "1" }));
    const record = JSON.parse(readFileSync(path, "utf8"));
    expect(record).toEqual({ createdAt, leaseEndsAt: createdAt + 2 * hourMs, token: "other" });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("it says so when there is no lease", async () => {
    await restart({ lease: undefined });
    expect((await extend(form({ hours: "1" }))).status).toBe(409);
    expect(await getStatus()).toMatchObject({ shutdown_at: null, shutdown_in_minutes: null });
  });
});

test("it notes that the machine is in use", async () => {
  const response = await ask("/activity", { method: "POST", headers: bearer });
  const { last_activity } = await response.json();
  expect(Math.abs(Date.parse(last_activity) - Date.now())).toBeLessThan(5000);
  expect((await getStatus()).idle_seconds).toBe(0);
});

describe("told to end the machine", () => {
  const shutDown = (body?: unknown) =>
    ask("/shutdown", { method: "POST", headers: bearer, body: body === undefined ? undefined : JSON.stringify(body) });

  test("it says that it cannot where nobody gave it a key", async () => {
    const response = await shutDown({ reason: "done" });
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining("`gpu stop`") },
    });
  });

  test("it ends it through the provider, and says why", async () => {
    const ended = Promise.withResolvers<string>();
    await restart({
      end: (why) => {
        ended.resolve(why);
        return Promise.resolve("accepted");
      },
    });
    expect(await (await shutDown({ reason: "training is\u001b[31m done" })).json()).toEqual({ status: "terminating" });
    expect(await ended.promise).toBe("training is [31m done");
    expect((await getStatus()).ending).toBe("training is [31m done");
  });

  test("it ends the lease of a machine that ends itself with it", async () => {
    await restart({ end: "by-its-lease" });
    expect((await shutDown()).status).toBe(200);
    while (await endsAt() > Date.now()) await Bun.sleep(5);
  });
});

test("it takes a rule for idleness while it runs", async () => {
  const rule = (body: unknown) => ask("/idle", { method: "POST", headers: bearer, body: JSON.stringify(body) });
  const response = await rule({ after_minutes: 45, then: "warn" });
  expect(await response.json()).toEqual({ idle_timeout_minutes: 45, then: "warn", can_stop: false });
  expect((await getStatus()).idle_timeout_minutes).toBe(45);
  for (const wrong of [{}, { after_minutes: 0 }, { after_minutes: "5" }, { after_minutes: 5, then: "explode" }]) {
    expect((await rule(wrong)).status).toBe(400);
  }
  await rule({ after_minutes: null });
  expect((await getStatus()).idle_timeout_minutes).toBeNull();
});

test("its page is for a browser, escapes what it shows, and runs nothing", async () => {
  const response = await ask(`/?token=${token}`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const html = await response.text();
  expect(html).toContain("<h1>i-1</h1>");
  expect(html).toContain("NVIDIA &quot;H100&quot;");
  expect(html).not.toContain("<script");
  expect((await ask("/", { headers: bearer })).status).toBe(200);
});

describe("its metrics", () => {
  const read = async () => await (await ask("/metrics", { headers: bearer })).text();

  test("are Prometheus' text format, for each GPU, and leave out what is not known", async () => {
    expect((await ask("/metrics", { headers: bearer })).headers.get("content-type")).toBe(
      "text/plain; version=0.0.4; charset=utf-8",
    );
    const text = await read();
    const labels = String.raw`gpu="0",uuid="GPU-a",name="NVIDIA \"H100\" \\80GB"`;
    expect(text).toContain(`gpu_utilization_ratio{${labels}} 0.37\n`);
    expect(text).toContain(`gpu_memory_used_bytes{${labels}} ${1024 * 1024 * 1024}\n`);
    expect(text).toContain(`gpu_temperature_celsius{${labels}} 41\n`);
    expect(text).toContain('gpu_memory_used_bytes{gpu="1",uuid="GPU-b",name="NVIDIA H100"} 0\n');
    expect(text).not.toMatch(/gpu_utilization_ratio\{gpu="1"/);
    expect(text).not.toMatch(/gpu_power_draw_watts\{gpu="1"/);
    expect(text).not.toMatch(/NaN|null|undefined/);
    expect(text).toMatch(/^gpu_agent_lease_left_seconds 71\d\d(\.\d+)?$/m);
    expect(text).toMatch(/^gpu_agent_jobs_running 0$/m);
  });

  test("have one HELP and one TYPE before the samples of each name", async () => {
    const lines = (await read()).trimEnd().split("\n");
    const names = lines.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]);
    expect(new Set(names).size).toBe(names.length);
    let name = "";
    for (const line of lines) {
      if (line.startsWith("# ")) name = line.split(" ")[2] ?? "";
      else expect(line).toMatch(new RegExp(String.raw`^${name}(\{.*\})? -?[0-9.e+]+$`));
    }
  });
});

test("other methods and paths are refused in JSON", async () => {
  const response = await ask("/extend", { headers: bearer });
  expect(response.status).toBe(405);
  expect(await response.json()).toEqual({ error: "GET is not possible here" });
  expect((await ask("/nothing", { headers: bearer })).status).toBe(404);
  for (const path of ["/__proto__", "/constructor"]) expect((await ask(path)).status).toBe(404);
});
