import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { followTunnelLog, readTunnelLog, TunnelDiary, writeTunnelLog } from "../../src/background/tunnel-log.ts";
import { FakeClock } from "../fake/clock.ts";

let state: string;
const clock = new FakeClock({ mode: "auto" });
const world = () => ({ clock, folders: { config: state, cache: state, state } });
beforeEach(() => void (state = mkdtempSync(join(tmpdir(), "gpu-tunnel-log-"))));
afterEach(() => rmSync(state, { recursive: true, force: true }));

const say = (message: string) => writeTunnelLog(world(), { tunnel: "t", event: "note", message });
const messages = () => readTunnelLog(world()).map(({ message }) => message);

test("what is written is read, is ours alone, and has no line of its own", () => {
  expect(readTunnelLog(world())).toEqual([]);
  say("one\ntwo \x1b[31m");
  expect(messages().length).toBe(1);
  expect(messages()[0]).not.toContain("\x1b");
  expect(statSync(join(state, "tunnels.log")).mode & 0o777).toBe(0o600);
});

test("half a line is skipped", () => {
  say("one");
  appendFileSync(join(state, "tunnels.log"), `{"at":1,"tun`);
  expect(messages()).toEqual(["one"]);
});

test("it does not grow without end, and keeps what was last", () => {
  for (let index = 0; index < 30_000; index++) say(`${index} ${"x".repeat(60)}`);
  const bytes = ["tunnels.log", "tunnels.log.1"].map((name) => readFileSync(join(state, name)).length);
  expect(Math.max(...bytes)).toBeLessThan(600_000);
  expect(messages().at(-1)).toStartWith("29999 ");
});

test("following gives what was there and what comes, each once", async () => {
  say("one");
  const over = new AbortController();
  const seen: string[] = [];
  try {
    for await (const { message } of followTunnelLog(world(), over.signal)) {
      seen.push(message);
      if (seen.length === 1) { for (const next of ["two", "three"]) say(next); }
      if (seen.length === 3) over.abort(new Error("enough"));
    }
  } catch (error) {
    if (!over.signal.aborted) throw error;
  }
  expect(seen).toEqual(["one", "two", "three"]);
});

test("a night without an answer is one line, and so is a loop of refused connections", () => {
  const lines: string[] = [];
  const diary = new TunnelDiary((event, message) => lines.push(`${event} ${message}`));
  const route = { kind: "local", bind: "127.0.0.1", localPort: 8000, remoteHost: "localhost", remotePort: 80 } as const;
  diary.tell({ type: "lost", error: new Error("gone") });
  for (let count = 0; count < 1000; count++) diary.tell({ type: "retry", error: new Error("away"), inMs: 5000 });
  diary.tell({ type: "reconnected", afterMs: 1234 });
  expect(lines).toEqual(["lost gone", "retry away", "reconnected after 1.23 s"]);
  for (let count = 0; count < 999; count++) diary.tell({ type: "refused", route, error: new Error("no") });
  expect(lines.length).toBe(23);
});
