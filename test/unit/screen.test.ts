import { expect, test } from "bun:test";
import { z } from "zod";
import { runApp } from "../../src/app.ts";
import { defineCommand } from "../../src/command.ts";
import { GpuError, InterruptedError } from "../../src/errors.ts";
import { openScreen } from "../../src/terminal/screen.ts";
import { fakeSink } from "../fake/sink.ts";
import { fakeWorld } from "../fake/world.ts";

const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const frames = (written: string) =>
  written.split("\x1b[?2026h").slice(1).map((frame) =>
    // deno-lint-ignore no-control-regex
    frame.split("\x1b[?2026l")[0]?.replaceAll(/\x1b\[\??\d*[A-Za-z]/g, "").replace(/\n$/, "").split("\n")
  );

test("a frame takes the place of the one before, and nothing is blank in between", async () => {
  const sink = fakeSink();
  {
    await using screen = openScreen(sink);
    await screen.show(() => "one\ntwo\n");
    await screen.show(() => "three\n");
  }
  expect(frames(sink.written)).toEqual([["one", "two"], ["three"]]);
  expect(sink.written).not.toContain("\x1b[2J");
  expect(sink.written.startsWith(enter)).toBe(true);
  expect(sink.written.endsWith(`${leave}three\n`)).toBe(true);
});

test("what the screen cannot hold is counted, and is there at the end", async () => {
  const sink = fakeSink({ columns: 10, rows: 4 });
  const all = ["0", "1", "2", "3", "four is too long"].join("\n");
  {
    await using screen = openScreen(sink);
    await screen.show(() => all);
    sink.resize({ columns: 10, rows: 6 });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(frames(sink.written)).toEqual([["0", "1", "… 3 more"], ["0", "1", "2", "3", "four is t…"]]);
  expect(sink.written.endsWith(leave + all)).toBe(true);
});

test("a screen that never showed anything leaves the terminal alone", async () => {
  const sink = fakeSink();
  await openScreen(sink)[Symbol.asyncDispose]();
  expect(sink.written).toBe("");
});

test("a command that is watched goes on where it cannot be asked for a moment; Ctrl-C ends it in order", async () => {
  await using fake = await fakeWorld();
  const ending = new AbortController();
  let count = 0;
  const command = defineCommand({
    name: "count",
    summary: "Count",
    effect: "read",
    input: z.object({ watch: z.boolean().default(false).describe("go on") }),
    output: z.number(),
    refreshMs: 1,
    run(_, { note }) {
      count += 1;
      if (count === 2) throw new GpuError("nothing answers");
      if (count === 3) note("warning: slow");
      if (count === 4) ending.abort(new InterruptedError("SIGINT"));
      return Promise.resolve(count);
    },
    view: (number) => `number ${number}`,
  });
  const sink = fakeSink();
  const entry = { name: "count", summary: "Count", effect: "read" as const, load: () => Promise.resolve(command) };
  const exitCode = await runApp(["count", "--watch"], {
    world: { ...fake.world, terminal: { ...fake.openTerminal({ isTTY: true }), stdout: sink } },
    entries: [entry],
    registry: fake.registry,
    signal: ending.signal,
    version: "0.0.0",
  });
  expect(frames(sink.written)).toEqual([
    ["number 1"],
    ["number 1", "error: nothing answers"],
    ["number 3", "warning: slow"],
    ["number 4"],
  ]);
  expect(sink.written).toContain(`${leave}number 4\n`);
  expect(exitCode).toBe(0);
});
