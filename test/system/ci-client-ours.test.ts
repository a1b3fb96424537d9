// The client on a server with our additions, whose answers these tests write by hand.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveArtifact } from "../../src/ci/client/artifact-files.ts";
import { ciClient, type CiClientOptions } from "../../src/ci/client/client.ts";
import { logSoFar } from "../../src/ci/client/log-so-far.ts";
import type { KeyAge } from "../../src/ci/client/key-age.ts";
import type { CiEvent } from "../../src/ci/job.ts";
import type { CiError } from "../../src/errors.ts";
import { realClock } from "../../src/outside.ts";
import { ciWorld, present } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";

const features = [
  "event-ids",
  "heartbeat",
  "last-event-id",
  "forward-only",
  "idempotency-key",
  "names",
  "env",
  "results",
  "artifacts",
];
const jobId = "11111111-2222-4333-8444-555555555555";
const job = { job_id: jobId, status: "completed", success: true, start_time: null, end_time: null };

let home: string;
let clock: FakeClock;
let requests: Request[];
let answer: (request: Request, path: string) => Response | undefined | Promise<Response | undefined>;
let server: Bun.Server<undefined>;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "ci-ours-"));
  clock = new FakeClock({ mode: "manual" });
  requests = [];
  answer = () => undefined;
  server = Bun.serve({
    port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/health") return Response.json({ status: "ok", server: "gpu", features });
      requests.push(request.clone() as Request);
      return await answer(request, pathname) ?? Response.json(job);
    },
  });
});
afterEach(async () => {
  await server.stop(true);
  await rm(home, { recursive: true, force: true });
});

const zip = () => present(new Response("PK").body);
const client = (given: Partial<CiClientOptions> = {}) =>
  ciClient({ world: ciWorld({ home, clock }), server: server.url.href, apiKey: "k", ...given });

/** A stream of these pieces, which then ends. */
function stream(...pieces: string[]): Response {
  const body = pieces.map((piece) => piece.endsWith("…") ? piece.slice(0, -1) : `${piece}\n\n`).join("");
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
}

const line = (id: number) => `id: ${id}\ndata: ${JSON.stringify({ type: "log", data: `line ${id}\n` })}`;
const complete = (success: boolean) => `data: ${JSON.stringify({ type: "complete", success })}`;
const logOf = (events: CiEvent[]) => events.flatMap((event) => (event.type === "log" ? [event.data.trim()] : []));

describe("following", () => {
  test("goes on behind the last line, and asks for no more than that", async () => {
    const streams = [stream(": ping", line(1), line(2), 'id: 3\ndata: {"type":"lo…'), stream(line(3), complete(true))];
    answer = (_, path) => path.endsWith("/stream") ? streams.shift() : undefined;
    const events = await clock.run(Array.fromAsync(client().streamJob(jobId, { fromBeginning: true })));
    expect(logOf(events)).toEqual(["line 1", "line 2", "line 3"]);
    expect(requests.filter(({ url }) => url.includes("/stream")).map(({ headers }) => headers.get("last-event-id")))
      .toEqual([null, "2"]);
  });

  test("a proxy that keeps `Last-Event-ID` back brings no line twice", async () => {
    const streams = [stream(line(1), line(2)), stream(line(1)), stream(line(1), line(2), line(3), complete(true))];
    answer = (_, path) => path.endsWith("/stream") ? streams.shift() : undefined;
    const events = await clock.run(Array.fromAsync(client().streamJob(jobId, { fromBeginning: true })));
    expect(logOf(events)).toEqual(["line 1", "line 2", "line 3"]);
  });

  test("who joins late and is cut off before the first line misses none", async () => {
    const streams = [stream("id: 40"), stream(line(41), complete(true))];
    answer = (_, path) => path.endsWith("/stream") ? streams.shift() : undefined;
    const events = await clock.run(Array.fromAsync(client().streamJob(jobId)));
    expect(logOf(events)).toEqual(["line 41"]);
    expect(present(requests.findLast(({ url }) => url.includes("/stream"))).headers.get("last-event-id")).toBe("40");
  });

  test("an end without success, of a job that runs on, is none", async () => {
    const streams = [stream(line(1), complete(false)), stream(line(2), complete(false))];
    const states = [{ ...job, status: "running", success: null }, { ...job, success: false }];
    answer = (_, path) => path.endsWith("/stream") ? streams.shift() : Response.json(states.shift());
    const events = await clock.run(Array.fromAsync(client().streamJob(jobId)));
    expect(logOf(events)).toEqual(["line 1", "line 2"]);
    expect(events.at(-1)).toEqual({ type: "complete", success: false });
  });

  test("the end says how many tests there were", async () => {
    const results = { passed: 142, failed: 3, skipped: 2 };
    answer = (_, path) =>
      path.endsWith("/stream") ? stream(complete(false)) : Response.json({ ...job, success: false, results });
    expect(await clock.run(Array.fromAsync(client().streamJob(jobId)))).toEqual([
      { type: "complete", success: false, results },
    ]);
  });
});

describe("a submission", () => {
  test("carries its name, tags and variables beside the archive", async () => {
    let form: FormData | undefined;
    answer = async (request) => {
      form = await request.formData();
      return Response.json({ job_id: jobId });
    };
    const fields = { args: ["-k", "a b"], name: "nightly", tags: ["slow", "gpu"], env: { TOKEN: "se\r\ncret" } };
    // This server takes no arguments.
    const { args: _, ...others } = fields;
    expect(await clock.run(client().submitAsync(zip, others))).toBe(jobId);
    expect(form?.get("name")).toBe("nightly");
    expect(JSON.parse(String(form?.get("tags")))).toEqual(["slow", "gpu"]);
    expect(JSON.parse(String(form?.get("env")))).toEqual({ TOKEN: "se\r\ncret" });
    expect([...form?.keys() ?? []].at(-1)).toBe("file");
  });

  test("that is cut before its job is named is sent again under the same key", async () => {
    let count = 0;
    answer = async (request, path) => {
      if (path !== "/submit-stream") return undefined;
      await request.arrayBuffer();
      if (++count === 1) return stream(": ping");
      return stream(`data: ${JSON.stringify({ type: "job_id", job_id: jobId })}`, line(1), complete(true));
    };
    const events = await clock.run(Array.fromAsync(client().submitStreaming(zip)));
    expect(events[0]).toEqual({ type: "job_id", jobId });
    expect(logOf(events)).toEqual(["line 1"]);
    const keys = requests.filter(({ method }) => method === "POST").map(({ headers }) =>
      headers.get("idempotency-key")
    );
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[1]).toBe(keys[0]);
  });
});

test("the last lines of a log are asked for alone", async () => {
  features.push("log");
  try {
    answer = (request, path) => path.endsWith("/log") ? new Response(`x\n${new URL(request.url).search}`) : undefined;
    const lots = logSoFar(client(), jobId, { tail: 2, clock, note: () => {} });
    expect((await clock.run(Array.fromAsync(lots))).flat()).toEqual([
      { type: "log", data: "x\n" },
      { type: "log", data: "?tail=2" },
      { type: "complete", success: true },
    ]);
    expect(requests.map(({ url }) => new URL(url).pathname)).toEqual([`/jobs/${jobId}`, `/jobs/${jobId}/log`]);
  } finally {
    features.pop();
  }
});

test("the key's age is told once", async () => {
  const headers = { "x-gpu-key-created": "2026-01-01T00:00:00Z", "x-gpu-key-expires": "2026-02-01T00:00:00Z" };
  answer = () => Response.json([job], { headers });
  const ages: KeyAge[] = [];
  const { listJobs } = client({ onKeyAge: (age) => ages.push(age) });
  await clock.run(listJobs());
  await clock.run(listJobs());
  expect(ages).toEqual([{ created: "2026-01-01T00:00:00Z", expires: "2026-02-01T00:00:00Z" }]);
});

describe("an id", () => {
  const other = "11111111-9999-4333-8444-555555555555";
  beforeEach(() => {
    answer = () => Response.json([job, { ...job, job_id: other }]);
  });

  test("is known by its beginning, where only one job has it", async () => {
    expect(await clock.run(client().resolveJob("11111111-2"))).toBe(jobId);
    await expect(clock.run(client().resolveJob("1111"))).rejects.toThrow("2 jobs begin with `1111`");
    for (const none of ["2", "", "../jobs"]) {
      await expect(clock.run(client().resolveJob(none))).rejects.toThrow("there is no job");
    }
  });

  test("that is whole is not looked for", async () => {
    expect(await clock.run(client().resolveJob(jobId))).toBe(jobId);
    expect(requests).toEqual([]);
  });
});

describe("artifacts", () => {
  const save = async (name: string, content = "content", size = content.length) => {
    const folder = join(home, "out");
    answer = () => new Response(content);
    const how = { world: { clock: realClock }, folder };
    return await saveArtifact(client({ world: ciWorld({ home }) }), { jobId, artifact: { name, size } }, how);
  };

  test("come into their folders, and replace what was there", async () => {
    expect(await save("reports/a b/junit.xml")).toEndWith("/out/reports/a b/junit.xml");
    await save("reports/a b/junit.xml", "other");
    expect(await readFile(join(home, "out/reports/a b/junit.xml"), "utf8")).toBe("other");
    expect(new URL(present(requests[0]).url).pathname).toBe(`/jobs/${jobId}/artifacts/reports/a%20b/junit.xml`);
    expect(await readdir(join(home, "out/reports/a b"))).toEqual(["junit.xml"]);
  });

  test.each([
    "../evil",
    "a/../../evil",
    "/etc/evil",
    "a//b",
    "",
    ".",
    "a\\..\\evil",
    "C:evil",
    "nul",
    "a/con.txt",
    "evil\0",
    "a\x1b]0;x\x07",
    "evil.",
    "a/",
    "x".repeat(5000),
  ])("a name like %j is refused", async (name) => {
    await expect(save(name)).rejects.toThrow("is not written");
    expect((await readdir(home)).filter((file) => file !== "out")).toEqual([]);
  });

  test("links that lead out are not followed, and none is replaced", async () => {
    await mkdir(join(home, "out"));
    await mkdir(join(home, "victim"));
    await symlink(join(home, "victim"), join(home, "out/link"));
    await symlink(join(home, "victim/file"), join(home, "out/file"));
    await expect(save("link/x")).rejects.toThrow("leads out of");
    await expect(save("file")).rejects.toThrow("is there and is no file");
    expect(await readdir(join(home, "victim"))).toEqual([]);
  });

  test("a file that does not come whole, or is longer than was said, is none", async () => {
    await expect(save("a", "content", 8)).rejects.toThrow("did not come whole: 7 of 8 bytes");
    await expect(save("a", "content", 3)).rejects.toThrow("did not come whole: 4 of 3 bytes");
    expect(await readdir(join(home, "out"))).toEqual([]);
  });
});

describe("what to do about a key", () => {
  const refused = (detail: string) => Response.json({ detail }, { status: 401 });

  test("is said in the words of this server, not of another", async () => {
    const hintOf = (work: Promise<unknown>) => clock.run(work.then(() => undefined, ({ hint }: CiError) => hint));
    expect(await hintOf(client({ apiKey: "" }).listJobs())).toContain("`gpu ci key create` on the server makes one");
    answer = () => refused("Invalid or revoked API key");
    expect(await hintOf(client().listJobs())).toContain("`gpu ci key create` on the server makes another");
    expect(await hintOf(client({ keyFrom: "`~/.ci/config`" }).getJob(jobId))).toStartWith(
      "the key is that of `~/.ci/config`; `gpu ci key create`",
    );
    answer = () => refused("User not found or inactive");
    expect(await hintOf(client().listJobs())).toBe("ask who runs the server to run `gpu ci user activate`");
  });

  test("that is revoked while its job is followed is said with the place it is from", async () => {
    const streams = [stream(line(1)), refused("Invalid or revoked API key")];
    answer = (_, path) => path.endsWith("/stream") ? streams.shift() : undefined;
    const events = client({ keyFrom: "`CI_API_KEY`" }).streamJob(jobId, { fromBeginning: true });
    const error = await clock.run(Array.fromAsync(events).then(() => undefined, (error: CiError) => error));
    expect(error).toMatchObject({ status: 401, hint: expect.stringContaining("the key is that of `CI_API_KEY`") });
  });
});
