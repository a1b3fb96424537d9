import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { unzipSync } from "fflate";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ciClient } from "../../src/ci/client/client.ts";
import type { CiEvent } from "../../src/ci/job.ts";
import { ciLibrary } from "../../src/ci/library.ts";
import { CiError } from "../../src/errors.ts";
import { FakeCiServer } from "../fake/ci-server.ts";
import { ciWorld, present } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";

let server: FakeCiServer;
let clock: FakeClock;
let home: string;

beforeEach(async () => {
  server = await FakeCiServer.start();
  clock = new FakeClock({ mode: "manual" });
  home = await mkdtemp(join(tmpdir(), "ci-client-"));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const zip = () => present(new Response("PK…").body);

function client(given: { server?: string; apiKey?: string; signal?: AbortSignal } = {}) {
  return ciClient({ world: ciWorld({ home, clock }), server: server.url, apiKey: server.key, ...given });
}

async function all(events: AsyncIterable<CiEvent>): Promise<CiEvent[]> {
  return await clock.run(Array.fromAsync(events));
}

const logOf = (events: CiEvent[]) => events.flatMap((event) => (event.type === "log" ? [event.data] : []));

async function failure(work: Promise<unknown>): Promise<CiError> {
  const error = await clock.run(work.then(() => undefined, (error: unknown) => error));
  expect(error).toBeInstanceOf(CiError);
  return error as CiError;
}

describe("a submission", () => {
  test("says the id, the lines and the end, and sends the archive as `project.zip`", async () => {
    const events = await all(client().submitStreaming(zip));
    const jobId = present([...server.jobs.keys()][0]);
    expect(events).toEqual([
      { type: "job_id", jobId },
      { type: "log", data: "one\n" },
      { type: "log", data: "two\n" },
      { type: "complete", success: true },
    ]);
    expect(new TextDecoder().decode(server.uploads[0])).toBe("PK…");
  });

  test("asynchronous: gives the id at once", async () => {
    expect(await clock.run(client().submitAsync(zip))).toBe(present([...server.jobs.keys()][0]));
  });

  test("goes on after the stream was cut in the middle, each line once", async () => {
    server.next = { status: "running", success: true, lines: Array.from({ length: 20 }, (_, i) => `line ${i}\n`) };
    server.faults.push({ cutAfter: 8 }, { cutAfter: 3 }, { cutAfter: 15 });
    const events = await all(client().submitStreaming(zip));
    expect(logOf(events)).toEqual(server.next.lines);
    expect(events.at(-1)).toEqual({ type: "complete", success: true });
  });

  test("is not repeated when the answer is lost: the error names the job that looks like it", async () => {
    server.losesAnswer = true;
    clock = new FakeClock({ mode: "manual" });
    const error = await failure(Array.fromAsync(client().submitStreaming(zip)));
    const jobId = present([...server.jobs.keys()][0]);
    expect(server.uploads).toHaveLength(1);
    expect(error.message).toContain("not certain whether a job was made");
    expect(error.hint).toContain(`\`${jobId}\``);
  });

  test("a folder that cannot be read is that error, not the network's", async () => {
    const broken = () =>
      ReadableStream.from((async function* () {
        yield new Uint8Array(10);
        throw new Error("cannot read the file `x`");
      })());
    const error = await clock.run(Array.fromAsync(client().submitStreaming(broken)).catch((error: unknown) => error));
    expect(String(error)).toContain("cannot read the file `x`");
    expect(server.jobs.size).toBe(0);
  });

  test("arguments for the tests are refused where the server does not take them", async () => {
    const error = await failure(client().submitAsync(zip, { args: ["-k", "gpu"] }));
    expect(error.message).toContain("takes no arguments");
    expect(server.uploads).toHaveLength(0);
  });
});

describe("following a job", () => {
  test("a job that still waits is not a failure", async () => {
    const id = server.add({ status: "queued", success: null, start_time: null, lines: [] });
    server.faults.push({ falseComplete: true }, { falseComplete: true });
    let asked = 0;
    server.onJobAsked = () => {
      asked++;
    };
    server.onStreamAsked = () => {
      if (asked < 2) return;
      const ended = { status: "completed", success: true, start_time: "2026-11-21T03:35:02.919541Z", lines: ["ran\n"] };
      Object.assign(present(server.jobs.get(id)), ended);
    };
    const events = await all(client().streamJob(id, { fromBeginning: true }));
    expect(events).toEqual([{ type: "log", data: "ran\n" }, { type: "complete", success: true }]);
  });

  test("a result that was recorded late counts as it is", async () => {
    const id = server.add({ success: true, lines: ["x\n"] });
    server.faults.push({ falseComplete: true });
    expect((await all(client().streamJob(id, { fromBeginning: true }))).at(-1)).toEqual({
      type: "complete",
      success: true,
    });
  });

  test("a job that ends between the false end and the question for it is read to its end", async () => {
    const id = server.add({ status: "queued", success: null, start_time: null, lines: [] });
    server.faults.push({ falseComplete: true });
    server.onJobAsked = () => server.jobs.set(id, { ...present(server.jobs.get(id)), ...ended, lines: ["late\n"] });
    const ended = { status: "completed", success: false, start_time: "2026-11-21T03:35:02.919541Z" };
    expect(await all(client().streamJob(id))).toEqual([{ type: "log", data: "late\n" }, {
      type: "complete",
      success: false,
    }]);
  });

  test("the server's own words end in a newline and are not counted as lines", async () => {
    const lines = ["a\n", "Error streaming logs: Separator is not found\\n", "b\n", "literal \\n\n"];
    const id = server.add({ status: "running", success: true, lines });
    server.faults.push({ cutAfter: 3 });
    const events = await all(client().streamJob(id));
    expect(logOf(events).filter((line) => !line.startsWith("Error"))).toEqual(["a\n", "b\n", "literal \\n\n"]);
    expect(logOf(events)).toContain("Error streaming logs: Separator is not found\n");
  });

  test("only what is new: a finished job says so", async () => {
    const id = server.add({ success: true, lines: ["a\n"] });
    expect(await all(client().streamJob(id))).toEqual([
      { type: "log", data: "Job already completed.\n" },
      { type: "complete", success: true },
    ]);
  });

  test("a project that the server could not set up has a reason", async () => {
    const id = server.add({ success: false, start_time: null, lines: [] });
    const end = (await all(client().streamJob(id, { fromBeginning: true }))).at(-1);
    expect(end).toMatchObject({
      type: "complete",
      success: false,
      reason: expect.stringContaining("requirements.txt"),
    });
  });

  test("a silent connection is given up and taken up again", async () => {
    const id = server.add({ status: "running", success: true, lines: ["a\n", "b\n", "c\n"] });
    server.faults.push({ silentAfter: 2 });
    const events = client().streamJob(id);
    expect(logOf([present((await clock.run(events.next())).value), present((await clock.run(events.next())).value)]))
      .toEqual([
        "a\n",
        "b\n",
      ]);
    const next = events.next();
    expect(clock.next({ upTo: 240_000 })).toBe(true);
    expect((await clock.run(next)).value).toEqual({ type: "log", data: "c\n" });
    expect(clock.pauses).toContain(240_000);
  });

  test("a server that only breaks off is given up, with the line that reconnects", async () => {
    const id = server.add({ status: "running", success: true, lines: ["a\n"] });
    server.faults.push(...Array.from({ length: 400 }, () => ({ cutAfter: 0 })));
    const error = await failure(Array.fromAsync(client().streamJob(id)));
    expect(error.hint).toContain(`gpu ci wait ${id} --all`);
  });

  test("unless it is to be followed for as long as it takes", async () => {
    const id = server.add({ status: "running", success: true, lines: ["a\n"] });
    server.faults.push(...Array.from({ length: 400 }, () => ({ cutAfter: 0 })));
    const troubles: (string | undefined)[] = [];
    const { streamJob } = ciClient({
      world: ciWorld({ home, clock }),
      server: server.url,
      apiKey: server.key,
      onTrouble: (why) => troubles.push(why),
    });
    expect(logOf(await all(streamJob(id, { patienceMs: Infinity })))).toEqual(["a\n"]);
    expect(troubles[0]).toContain("trying again");
    expect(troubles.at(-1)).toBeUndefined();
  });

  describe("whose stream ends without an end", () => {
    const troubles: (string | undefined)[] = [];
    const follow = (id: string) => {
      troubles.length = 0;
      const onTrouble = (why: string | undefined) => void troubles.push(why);
      const world = ciWorld({ home, clock });
      return all(ciClient({ world, server: server.url, apiKey: server.key, onTrouble }).streamJob(id));
    };

    test("is over when the server says so, and nothing more comes of its log", async () => {
      const id = server.add({ status: "completed", success: true, lines: ["a\n", "b\n"] });
      server.faults.push(...Array.from({ length: 400 }, () => ({ closeAfter: 0 })));
      const begun = clock.monotonic();
      expect(await follow(id)).toEqual([{
        type: "complete",
        success: true,
        reason: expect.stringContaining("may be missing"),
      }]);
      expect(clock.monotonic() - begun).toBeLessThan(10_000);
      expect(troubles).toEqual(["the job is over; reading the end of its log"]);
    });

    test("is read on as long as lines come, and failed where it failed", async () => {
      const id = server.add({ status: "running", success: false, lines: ["a\n", "b\n", "c\n"] });
      server.faults.push({ closeAfter: 1 }, { closeAfter: 2 }, { closeAfter: 3 }, { closeAfter: 3 }, { closeAfter: 3 });
      server.onJobAsked = () => server.end(id, false);
      const events = await follow(id);
      expect(logOf(events)).toEqual(["a\n", "b\n", "c\n"]);
      expect(events.at(-1)).toMatchObject({ type: "complete", success: false });
      expect(server.requests.filter((request) => request.endsWith("/stream"))).toHaveLength(4);
    });

    test("is waited for as long as the server says that it goes on, and it is said what is waited for", async () => {
      const id = server.add({ status: "queued", success: null, start_time: null, lines: [] });
      server.faults.push(...Array.from({ length: 400 }, () => ({ closeAfter: 0 })));
      const asked = () => server.requests.filter((request) => request === `GET /jobs/${id}`).length;
      server.onJobAsked = () => {
        if (asked() === 100) server.change(id, { status: "running" });
        if (asked() < 200) return;
        server.faults.length = 0;
        server.change(id, { status: "completed", success: true, lines: ["late\n"] });
      };
      const begun = clock.monotonic();
      const events = await follow(id);
      expect(clock.monotonic() - begun).toBeGreaterThan(600_000);
      expect(logOf(events)).toContain("late\n");
      expect(new Set(troubles)).toEqual(
        new Set([
          "the job is queued; waiting for it to begin",
          "the job is running, though its log broke off; connecting again",
          "the job is over; reading the end of its log",
          undefined,
        ]),
      );
    });
  });

  test("stops at once when it is interrupted", async () => {
    const id = server.add({ status: "running", success: true, lines: ["a\n"] });
    server.faults.push({ silentAfter: 1 });
    const interrupt = new AbortController();
    const events = client({ signal: interrupt.signal }).streamJob(id);
    expect((await clock.run(events.next())).value).toEqual({ type: "log", data: "a\n" });
    const next = events.next();
    interrupt.abort(new Error("Ctrl-C"));
    expect(await next.catch(String)).toBe("Error: Ctrl-C");
  });
});

/** Everything the existing server was seen to do that a naive client takes for something else. */
describe("the existing server's quirks", () => {
  const started = { start_time: "2026-11-21T03:35:02.919541Z" };
  const queued = { status: "queued", success: null, start_time: null };

  test("a queue of a minute: `complete false` after 45 s, again and again, is no failure", async () => {
    server.haste = 3000;
    const id = server.add({ ...queued, lines: [] });
    let asked = 0;
    server.onJobAsked = () => {
      if (++asked === 3) server.change(id, { ...started, status: "completed", success: true, lines: ["ran\n"] });
    };
    expect(await all(client().streamJob(id))).toEqual([{ type: "log", data: "ran\n" }, {
      type: "complete",
      success: true,
    }]);
    expect(asked).toBeGreaterThanOrEqual(3);
  });

  test("an end that is recorded more than 15 s late is waited for, and no line comes twice", async () => {
    server.haste = 3000;
    const id = server.add({ status: "running", success: null, lines: ["a\n", "b\n"] });
    let asked = 0;
    server.onJobAsked = () => {
      if (++asked === 3) server.end(id, false);
    };
    expect(await all(client().streamJob(id))).toEqual([
      { type: "log", data: "a\n" },
      { type: "log", data: "b\n" },
      { type: "complete", success: false },
    ]);
  });

  test.each([
    ["a line over 64 KiB", "x".repeat(70_000), "chunk is longer than limit"],
    ["a byte that is not UTF-8", "\udcff\n", "can't decode byte 0xff"],
  ])("%s ends the log, and the end that follows is true", async (_what, line, why) => {
    const id = server.add({ success: true, lines: ["before\n", line, "after\n"] });
    const events = await all(client().streamJob(id, { fromBeginning: true }));
    expect(events).toEqual([
      { type: "log", data: "before\n" },
      { type: "log", data: expect.stringMatching(new RegExp(`^Error streaming logs: .*${why}.*\n$`)) },
      { type: "complete", success: true },
    ]);
  });

  test("a proxy that closes idle streams, however often, does not end the waiting", async () => {
    const id = server.add({ status: "running", success: null, isLive: true, lines: ["a\n"] });
    server.faults.push(...Array.from({ length: 30 }, () => ({ closeAfter: 1 })));
    let opened = 0;
    server.onStreamAsked = () => {
      if (++opened === 31) server.end(id, true);
    };
    expect(await all(client().streamJob(id))).toEqual([{ type: "log", data: "a\n" }, {
      type: "complete",
      success: true,
    }]);
  });

  test("a restart in the middle, with the job going on meanwhile, loses nothing", async () => {
    server.next = { status: "running", success: null, isLive: true, lines: ["a\n"] };
    const events = client().submitStreaming(zip);
    const jobId = ((await clock.run(events.next())).value as { jobId: string }).jobId;
    expect((await clock.run(events.next())).value).toEqual({ type: "log", data: "a\n" });
    await server.restart(20);
    server.say(jobId, "b\n");
    server.end(jobId, true);
    expect(await all(events)).toEqual([{ type: "log", data: "b\n" }, { type: "complete", success: true }]);
  });

  test("who was deactivated, and whose job it is, are told apart from a missing key", async () => {
    const id = server.add({ isForeign: true });
    expect((await failure(client().getJob(id))).message).toContain("is denied: it is another user's");
    const inactive = await failure(client({ apiKey: server.inactiveKey }).listJobs());
    expect(inactive).toMatchObject({ status: 401, message: expect.stringContaining("is not active") });
    expect(inactive.hint).toContain("`ci-admin user activate`");
    expect((await fetch(`${server.url}/jobs`)).status).toBe(403);
  });

  test("jobs that never began come last in the list, and are newer than any time", async () => {
    const waiting = server.add(queued);
    const old = server.add(started);
    expect((await clock.run(client().listJobs())).map(({ job_id }) => job_id)).toEqual([old, waiting]);
    const since = "2026-12-01T00:00:00.000Z";
    expect((await clock.run(client().listJobs({ since }))).map(({ job_id }) => job_id)).toEqual([waiting]);
  });

  test("neither key nor project goes where an answer points", async () => {
    let asked = 0;
    await using elsewhere = Bun.serve({ port: 0, fetch: () => (asked++, new Response()) }) as never as
      & AsyncDisposable
      & { url: URL };
    await using pointing = Bun.serve({
      port: 0,
      fetch: (request) =>
        new URL(request.url).pathname === "/health"
          ? Response.json({ status: "ok" })
          : Response.redirect(elsewhere.url.href, 307),
    }) as never as AsyncDisposable & { url: URL };
    const error = await failure(client({ server: pointing.url.href }).submitAsync(zip));
    expect(error.hint).toContain(elsewhere.url.origin);
    expect(asked).toBe(0);
  });
});

describe("errors say what to do", () => {
  test("no key", async () => {
    const error = await failure(client({ apiKey: "" }).listJobs());
    expect(error.message).toBe(
      "Authentication failed: API key is required. Set CI_API_KEY environment variable, use --api-key flag, or configure in ~/.ci/config",
    );
    expect(error.hint).toContain("`ci-admin key create` on the server makes one");
    // Whether it is a server that asks for none.
    expect(server.requests).toEqual(["GET /health"]);
  });

  test("a wrong key", async () => {
    const error = await failure(client({ apiKey: "ci_wrong" }).listJobs());
    expect(error.status).toBe(401);
    expect(error.message).toContain("wrong or revoked");
    expect(error.hint).toContain("`ci-admin key create` on the server makes another");
  });

  test("an unknown job", async () => {
    const error = await failure(Array.fromAsync(client().streamJob("nope")));
    expect(error.status).toBe(404);
    expect(error.hint).toContain("gpu ci list");
  });

  test("a server that is down", async () => {
    const error = await failure(client({ server: "http://127.0.0.1:1" }).listJobs());
    expect(error.message).toBe("nothing answers at http://127.0.0.1:1: cannot reach the CI server");
    expect(error.hint).toContain("CI_SERVER_URL");
  });

  test("a web page", async () => {
    await using page = Bun.serve({
      port: 0,
      fetch: () => new Response("<!doctype html><p>login", { headers: { "content-type": "text/html" } }),
    }) as never as AsyncDisposable & { url: URL };
    const error = await failure(Array.fromAsync(client({ server: page.url.href }).submitStreaming(zip)));
    expect(error.message).toContain("with a web page, not with data: this is not the CI server");
  });
});

test("the library packs a folder, submits it and lists it", async () => {
  await Bun.write(join(home, "project", "test_a.py"), "assert True\n");
  await Bun.write(join(home, "project", ".env"), "SECRET=1\n");
  const { submitTestsStreaming, listJobs, createProjectZip } = ciLibrary(ciWorld({ home, clock }));
  const call = { server: server.url, apiKey: server.key };
  const events = await all(submitTestsStreaming({ dir: join(home, "project"), ...call }));
  expect(events.at(-1)).toEqual({ type: "complete", success: true });
  expect(Object.keys(unzipSync(present(server.uploads[0])))).toEqual(["test_a.py"]);
  expect(await clock.run(listJobs(call))).toMatchObject([{ status: "completed", success: true }]);
  expect(Object.keys(unzipSync(await createProjectZip(join(home, "project")).bytes()))).toEqual(["test_a.py"]);
});
