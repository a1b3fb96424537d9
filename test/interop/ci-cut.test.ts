import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent } from "../../src/agent/agent.ts";
import { ciClient } from "../../src/ci/client/client.ts";
import type { Listener } from "../../src/ci/server/listen.ts";
import { packProject } from "../../src/ci/pack/pack.ts";
import { ciWorld, present } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";

const token = "t";
let home: string;
let agent: Listener;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "ci-cut-"));
  agent = await startAgent({ world: ciWorld({ home }), token, port: 0, dataFolder: join(home, "data") });
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** A line to the agent that breaks each connection on which a path of the list is asked, after so many bytes of its answer. */
async function brokenLine(cuts: { path: string; afterBytes: number }[]): Promise<AsyncDisposable & { url: string }> {
  const to = Number(new URL(agent.address).port);
  const open = new Set<Socket>();
  const server = createServer((near) => {
    open.add(near);
    const far = connect(to, "127.0.0.1");
    let left = Infinity;
    near.on("data", (piece) => {
      const cut = cuts.findIndex(({ path }) => piece.toString("latin1").includes(` ${path}`));
      if (cut >= 0) left = present(cuts.splice(cut, 1)[0]).afterBytes;
      far.write(piece);
    });
    far.on("data", (piece: Buffer) => {
      near.write(piece.subarray(0, Math.min(piece.length, left)));
      left -= piece.length;
      if (left <= 0) near.end(() => far.destroy());
    });
    near.on("close", () => far.destroy()).on("error", () => far.destroy());
    far.on("close", () => near.destroy()).on("error", () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

async function zipOf(line: string): Promise<() => ReadableStream<Uint8Array>> {
  const dir = join(home, "project");
  await Bun.write(join(dir, "Makefile"), `test:\n\t@${line}\n`);
  return (await packProject(dir, { ignore: true })).stream;
}

test("a log that is cut off again and again loses no line and repeats none", async () => {
  const stream = "/jobs/";
  await using line = await brokenLine([
    { path: "/submit-stream", afterBytes: 4_000 },
    ...[600, 1_000, 3_000, 9_000, 900].map((afterBytes) => ({ path: stream, afterBytes })),
  ]);
  const clock = new FakeClock({ mode: "manual" });
  const { submitStreaming } = ciClient({ world: ciWorld({ home, clock }), server: line.url, apiKey: token });
  const events = await clock.run(
    Array.fromAsync(submitStreaming(await zipOf("i=0; while [ $$i -lt 500 ]; do echo line $$i; i=$$((i+1)); done"))),
  );
  const log = events.flatMap((event) => (event.type === "log" ? [event.data] : []));
  expect(log).toEqual(Array.from({ length: 500 }, (_, i) => `line ${i}\n`));
  expect(events.at(-1)).toEqual({ type: "complete", success: true });
});

test("a submission whose answer is lost is sent again and is still one job", async () => {
  await using line = await brokenLine([{ path: "/submit-async", afterBytes: 0 }, {
    path: "/submit-async",
    afterBytes: 20,
  }]);
  const clock = new FakeClock({ mode: "manual" });
  const { submitAsync, listJobs } = ciClient({ world: ciWorld({ home, clock }), server: line.url, apiKey: token });
  const id = await clock.run(submitAsync(await zipOf("true")));
  expect((await clock.run(listJobs())).map(({ job_id }) => job_id)).toEqual([id]);
});
