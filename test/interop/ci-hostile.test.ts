import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAccess } from "../../src/ci/server/access.ts";
import { listen, type Listener } from "../../src/ci/server/listen.ts";
import { sweep } from "../../src/ci/server/retention.ts";
import { ciHandler } from "../../src/ci/server/server.ts";
import { CiService, type CiServiceOptions } from "../../src/ci/server/service.ts";
import { JobStore } from "../../src/ci/server/store.ts";
import { pingMs } from "../../src/ci/server/sse.ts";
import { realClock } from "../../src/outside.ts";
import { ciWorld, present } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";
import { projectOf, readJob, submit, until } from "./ci-serve.ts";

setDefaultTimeout(20_000);

let home: string;
let service: CiService;
let server: Listener;
const maxUploadBytes = 1_000_000;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "ci-hostile-"));
  await open();
});
afterEach(async () => {
  await close();
  await rm(home, { recursive: true, force: true });
});

async function open(given: Partial<CiServiceOptions> = {}, clock = realClock): Promise<void> {
  const world = ciWorld({ home, clock });
  service = new CiService({ world, dataFolder: join(home, "data"), environment: { PATH: process.env.PATH }, ...given });
  const handler = ciHandler({ world, service, access: openAccess, maxUploadBytes });
  server = await listen({ hostname: "127.0.0.1", port: 0 }, { handler, clock: realClock });
}

async function close(): Promise<void> {
  await service.stopJobs();
  await server[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
}

/** A connection, and all that came back. */
function dial(): { socket: Socket; answer: () => string; closed: Promise<void> } {
  const socket = connect(Number(new URL(server.address).port), "127.0.0.1");
  let text = "";
  socket.on("data", (piece: Buffer) => text += piece.toString("latin1")).on("error", () => {});
  return { socket, answer: () => text, closed: new Promise((resolve) => socket.once("close", () => resolve())) };
}

const post = (path: string, length: number | undefined, type = "multipart/form-data; boundary=b") =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n` +
  (length === undefined ? "Transfer-Encoding: chunked\r\n\r\n" : `Content-Length: ${length}\r\n\r\n`);
const fileHead = '--b\r\nContent-Disposition: form-data; name="file"; filename="p.zip"\r\n\r\n';
const isUp = async () => (await fetch(`${server.address}/health`)).status === 200;
const leftOvers = async () =>
  (await Promise.all(["uploads", "logs", "work"].map((name) => readdir(join(home, "data", name))))).flat();

describe("an upload", () => {
  test("that is too large is refused, whether it says so or not", async () => {
    const large = new Uint8Array(maxUploadBytes + 1);
    await expect(submit(server.address, large)).rejects.toThrow(
      '413 {"detail":"The upload is larger than 1000000 bytes"}',
    );
    const said = dial();
    said.socket.write(post("/submit-async", 1e12) + fileHead);
    await until(() => said.answer().includes("413"));
    said.socket.destroy();
    expect(await leftOvers()).toEqual([]);
  });

  test("that is cut off leaves nothing", async () => {
    for (const sent of ["", "--b", fileHead, `${fileHead}PK`, `${fileHead}PK\r\n--b`]) {
      const { socket } = dial();
      socket.write(post("/submit-async", 10_000) + sent);
      await Bun.sleep(20);
      socket.destroy();
    }
    await until(async () => (await leftOvers()).length === 0);
    expect(await (await fetch(`${server.address}/jobs`)).json()).toEqual([]);
  });

  test("that stands still, or drips, is ended", async () => {
    await close();
    const clock = new FakeClock({ mode: "manual" });
    await open({}, {
      ...realClock,
      sleep: (ms, signal) => clock.sleep(ms, signal),
      monotonic: () => clock.monotonic(),
    });
    const still = dial();
    still.socket.write(post("/submit-async", 10_000) + fileHead);
    await Bun.sleep(50);
    clock.advance(61_000);
    await until(() => still.answer().includes("The upload came too slowly"));
    still.socket.destroy();
    await until(async () => (await leftOvers()).length === 0);
  });

  test.each([
    ["of another type", post("/submit-async", 2, "application/json") + "{}", 422, "Field required"],
    [
      "without a type",
      "POST /submit-async HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
      422,
      "Field required",
    ],
    ["without a boundary", post("/submit-async", 2, "multipart/form-data") + "{}", 422, "Field required"],
    [
      "whose part has a head without end",
      post("/submit-async", 90_000) + "--b\r\n" + "x".repeat(80_000),
      400,
      "parsing the body",
    ],
    [
      "with fields without end",
      post("/submit-async", 8e6) + '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + "x".repeat(5e6),
      400,
      "parsing the body",
    ],
    [
      "with too many parts",
      post("/submit-async", 100_000) + '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'.repeat(200),
      400,
      "parsing the body",
    ],
    [
      "with a key of a novel's length",
      post("/submit-async", 10).replace("Host", `Idempotency-Key: ${"k".repeat(1000)}\r\nHost`),
      400,
      "idempotency key",
    ],
  ])("%s is refused", async (_what, request, status, words) => {
    const { socket, answer } = dial();
    socket.write(request);
    await until(() => answer().includes(words));
    expect(answer()).toStartWith(`HTTP/1.1 ${status}`);
    socket.destroy();
    await until(async () => (await leftOvers()).length === 0);
  });

  test.each([
    ["args", "[1]"],
    ["tags", '"x"'],
    ["tags", JSON.stringify(["x".repeat(101)])],
    ["name", "x".repeat(201)],
    ["env", '{"GPU_CI_JOB":"x"}'],
    ["env", '{"A B":"x"}'],
    ["env", '{"A":1}'],
  ])("with the field %s as %s is refused, and its value is not answered", async (name, value) => {
    const refused = await submit(server.address, projectOf("true"), { fields: { [name]: value } }).catch(String);
    expect(refused).toContain(`"loc":["body","${name}"]`);
    expect(refused).toContain('"input":null');
    expect(await leftOvers()).toEqual([]);
  });
});

test("ids and names with paths in them lead nowhere", async () => {
  const id = await submit(server.address, projectOf("true"));
  await readJob(server.address, id);
  for (
    const path of [
      "/jobs/..%2f..%2fetc%2fpasswd/log",
      "/jobs/%2e%2e/log",
      "/jobs/%00/log",
      "/jobs/%/log",
      "/jobs/' OR 1=1 --/log",
      `/jobs/${id}/artifacts/..%2f..%2f..%2fjobs.db`,
      `/jobs/${id}/artifacts/%2e%2e/%2e%2e/jobs.db`,
      `/jobs/${id}/artifacts/%2Fetc%2Fpasswd`,
      `/jobs/${id}/artifacts/%ff`,
      `/jobs/${"x".repeat(10_000)}`,
    ]
  ) {
    const { socket, answer } = dial();
    socket.write(`GET ${path.replaceAll(" ", "%20")} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until(() => answer().includes("}"));
    expect(answer()).toMatch(/^HTTP\/1\.1 404 /);
    socket.destroy();
  }
  const inherited = await fetch(`${server.address}/jobs/${id}/stream?from_beginning=constructor`);
  expect(inherited.status).toBe(422);
  const { socket, answer } = dial();
  socket.write("DELETE /jobs HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => answer().includes("Method Not Allowed"));
  expect(answer()).toMatch(/^HTTP\/1\.1 405 [^]*\r\nallow: GET\r\n/i);
  socket.destroy();
});

test("hundreds of connections that say nothing, or too much, leave the server answering", async () => {
  const before = process.memoryUsage().rss;
  const lines = Array.from({ length: 300 }, dial);
  for (const [index, { socket }] of lines.entries()) {
    if (index % 3 === 0) socket.write("GET /jobs HTTP/1.1\r\nX: a");
    if (index % 3 === 1) socket.write(`GET /jobs HTTP/1.1\r\nX: ${"a".repeat(100_000)}`);
  }
  await Bun.sleep(100);
  expect(await isUp()).toBe(true);
  expect(
    lines.filter((_, index) => index % 3 === 1).every(({ answer }) => answer() === "" || answer().includes(" 431 ")),
  ).toBe(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  for (const { socket } of lines) socket.destroy();
});

describe("a stream", () => {
  const bigLog = async (lines: number) => {
    const id = await submit(server.address, projectOf("true"));
    await readJob(server.address, id);
    writeFileSync(
      join(home, "data/logs", `${id}.log`),
      Array.from({ length: lines }, (_, i) => `line ${i} ${"x".repeat(80)}\n`).join(""),
    );
    return id;
  };

  test("that nobody reads is not read ahead, and its file is closed when the reader goes", async () => {
    const id = await bigLog(400_000);
    const open = async () => (await readdir("/proc/self/fd")).length;
    const [before, filesBefore] = [process.memoryUsage().rss, await open()];
    const lines = Array.from({ length: 10 }, dial);
    for (const { socket } of lines) {
      socket.pause();
      socket.write(`GET /jobs/${id}/stream?from_beginning=true HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    }
    await Bun.sleep(500);
    expect(await isUp()).toBe(true);
    // Ten times 36 MB are there to be read.
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 2 ** 20);
    for (const { socket } of lines) socket.destroy();
    await until(async () => await open() <= filesBefore + 3);
  });

  test("has ids, can be resumed anywhere, and says the same each time", async () => {
    const id = await bigLog(5_000);
    const read = async (after: number) =>
      await (await fetch(`${server.address}/jobs/${id}/stream?from_beginning=true`, {
        headers: { "last-event-id": String(after) },
      })).text();
    const whole = await read(0);
    expect(whole.match(/^id: \d+$/gm)?.map((line) => Number(line.slice(4)))).toEqual(
      Array.from({ length: 5_000 }, (_, index) => index + 1),
    );
    for (const after of [1, 1_500, 4_999, 5_000]) {
      const from = whole.indexOf(`id: ${after + 1}\n`);
      const tail = from < 0 ? whole.slice(whole.indexOf('data: {"type":"complete"')) : whole.slice(from);
      expect(await read(after)).toBe(`: ping\n\n${tail}`);
    }
  });

  test("that is silent says every 15 s that it lives", async () => {
    await close();
    const clock = new FakeClock({ mode: "manual" });
    const sleep = (ms: number, signal?: AbortSignal) =>
      ms === pingMs ? clock.sleep(ms, signal) : realClock.sleep(ms, signal);
    await open({}, { ...realClock, sleep });
    const id = await submit(server.address, projectOf("exec sleep 600"));
    const answer = await fetch(`${server.address}/jobs/${id}/stream`);
    const reader = present(answer.body).getReader();
    const decoder = new TextDecoder();
    let text = "";
    void (async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) text += decoder.decode(next.value);
    })().catch(() => {});
    await until(() => text.includes("id: 0\n\n"));
    for (let pings = 2; pings < 5; pings++) {
      await Bun.sleep(20);
      clock.advance(pingMs);
      await until(() => text.split(": ping\n\n").length === pings + 1);
    }
    await reader.cancel();
  });
});

describe("what is kept", () => {
  test("goes when it is too old or too much, the oldest first; what is not over stays", async () => {
    const data = join(home, "data");
    const old = await submit(server.address, projectOf("true"));
    await readJob(server.address, old);
    const ids: string[] = [];
    for (let index = 0; index < 3; index++) {
      const id = await submit(server.address, projectOf("true"));
      await readJob(server.address, id);
      ids.push(id);
    }
    const running = await submit(server.address, projectOf("exec sleep 600"));
    const store = new JobStore(service.database);
    service.database.run("UPDATE jobs SET end_time = '2020-01-01T00:00:00.000000Z' WHERE job_id = ?", [old]);
    for (const id of [...ids, running]) writeFileSync(join(data, "logs", `${id}.log`), "x".repeat(100_000));
    mkdirSync(join(data, "work", present(ids[0]), "artifacts"), { recursive: true });
    const keep = { ageMs: 86_400_000, bytes: 350_000 };
    const left = await sweep({ store, places: service.places, keep, now: Date.now() });
    expect(left).toBeLessThan(keep.bytes);
    expect([old, ...ids, running].map((id) => service.find(id) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
    expect((await readdir(join(data, "logs"))).toSorted()).toEqual(
      [...ids.slice(1), running].map((id) => `${id}.log`).toSorted(),
    );
    expect(await readdir(join(data, "work"))).toEqual([running]);
  });

  test("is measured once where it changes no more", async () => {
    const id = await submit(server.address, projectOf("echo x"));
    await readJob(server.address, id);
    const known = new Map<string, number>();
    const store = new JobStore(service.database);
    const look = () => sweep({ store, places: service.places, now: Date.now(), known });
    const bytes = await look();
    expect(known).toEqual(new Map([[id, bytes]]));
    writeFileSync(service.places.log(id), "x".repeat(100_000));
    expect(await look()).toBe(bytes);
    expect(await sweep({ store, places: service.places, keep: { bytes: 0 }, now: Date.now(), known })).toBe(0);
    expect([known.size, service.find(id)]).toEqual([0, undefined]);
  });

  test("is never more than was allowed: an upload beyond it is refused", async () => {
    await close();
    await open({ keep: { bytes: 50_000 } });
    await expect(submit(server.address, new Uint8Array(60_000))).rejects.toThrow("507");
    expect(await leftOvers()).toEqual([]);
    await submit(server.address, projectOf("true"));
  });

  test("of a server that was killed is cleared of what belongs to no job", async () => {
    await close();
    const id = crypto.randomUUID();
    for (const path of [`uploads/${id}.zip`, `logs/${id}.log`, `work/${id}/project/a`, `sealed/${id}.bin`]) {
      await Bun.write(join(home, "data", path), "left");
    }
    await open();
    expect(await leftOvers()).toEqual([]);
    expect(await readdir(join(home, "data/sealed"))).toEqual([]);
  });

  test("in a folder that was somebody's before is theirs", async () => {
    await close();
    const theirs = ["uploads/photos.zip", "logs/app.log", "work/thesis/chapter"];
    for (const path of theirs) await Bun.write(join(home, "data", path), "mine");
    await open();
    expect(await Promise.all(theirs.map((path) => Bun.file(join(home, "data", path)).text()))).toEqual([
      "mine",
      "mine",
      "mine",
    ]);
  });
});

test("names, tags, counts and artifacts of a job are told", async () => {
  const { zipSync } = await import("fflate");
  const text = (value: string) => new TextEncoder().encode(value);
  const yaml = {
    test:
      "mkdir -p out/a; echo hi > 'out/a/ü b.txt'; printf 'TAP version 13\\n1..3\\nok 1\\nnot ok 2\\nok 3 # SKIP\\n' > r.tap",
    artifacts: ["out/**"],
    results: "r.tap",
  };
  const zip = zipSync({ "gpu-ci.yaml": text(JSON.stringify(yaml)) }) as Uint8Array<ArrayBuffer>;
  const fields = { name: "nightly\u001b[2J run", tags: JSON.stringify(["gpu", "x"]) };
  const id = await submit(server.address, zip, { fields });
  await readJob(server.address, id);
  const get = async (path: string) => await (await fetch(`${server.address}/jobs${path}`)).json() as unknown;
  const results = { passed: 1, failed: 1, skipped: 1 };
  expect(await get(`/${id}`)).toMatchObject({ name: "nightly [2J run", tags: ["gpu", "x"], results });
  expect(await get(`/${id}/results`)).toEqual(results);
  expect(await get(`/${id}/artifacts`)).toEqual([{ name: "out/a/ü b.txt", size: 3 }]);
  const file = await fetch(`${server.address}/jobs/${id}/artifacts/out/a/${encodeURIComponent("ü b.txt")}`);
  expect([await file.text(), file.headers.get("content-disposition")]).toEqual(["hi\n", "attachment"]);
  for (const q of ["night", "GPU", id.slice(0, 8), "completed"]) expect(await get(`?q=${q}`)).toHaveLength(1);
  expect(await get("?q=%25")).toEqual([]);
  expect((await fetch(`${server.address}/jobs?limit=x`)).status).toBe(422);
  expect((await fetch(`${server.address}/jobs?since=x`)).status).toBe(422);
});

test("/openapi.json names every address that there is, and /health what the server can", async () => {
  const { paths } = await (await fetch(`${server.address}/openapi.json`)).json() as { paths: Record<string, object> };
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      const answer = await fetch(server.address + path.replace(/\{\w+\}/g, "x"), { method: method.toUpperCase() });
      expect([path, answer.status === 405 || (await answer.text()).includes('"Not Found"')]).toEqual([path, false]);
    }
  }
  expect(await (await fetch(`${server.address}/health`)).json()).toMatchObject({ status: "ok", server: "gpu" });
});
