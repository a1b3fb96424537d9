import { describe, expect, test } from "bun:test";
import type { NewRunEvent, RunEvent } from "../../src/runs/events.ts";
import { RunView } from "../../src/runs/view.ts";
import { openProgress } from "../../src/terminal/progress.ts";
import { FakeClock } from "../fake/clock.ts";
import { fakeSink } from "../fake/sink.ts";

interface StageOptions {
  readonly isColored?: boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly costs?: Readonly<Record<string, number>>;
}

/** A view on a screen in memory; `tell` is what a run would write into its log. */
function openStage({ isTTY = true, columns = 60, rows = 20, costs = {}, isColored = false }: StageOptions = {}) {
  const clock = new FakeClock({ mode: "manual" });
  const sink = fakeSink({ isTTY, columns, rows });
  const progress = openProgress({ sink, clock, isShown: true });
  const also: string[] = [];
  const view = new RunView({
    terminal: { stdout: sink, stderr: sink },
    clock,
    costs: { costOf: (token) => costs[token] },
    isColored,
    live: progress.live,
    around: progress.around,
    alsoTo: (line) => also.push(line),
  });
  let seq = 0;
  const tell = async (event: NewRunEvent) => {
    const dated: RunEvent = { seq: ++seq, time: clock.now(), ...event };
    await view.apply(dated);
  };
  const begin = (step: number, name: string, more: { parent?: number; tail?: number } = {}) =>
    tell({ kind: "step", step, name, parent: more.parent ?? null, tail: more.tail ?? null, beganAt: clock.now() });
  const print = (step: number, text: string) => tell({ kind: "output", step, stream: "stdout", text });
  const end = (step: number, error: string | null = null) => tell({ kind: "step-ended", step, error });
  return {
    clock,
    sink,
    view,
    tell,
    begin,
    print,
    end,
    also,
    screen: () => sink.screen().filter((line) => line !== ""),
  };
}

describe("on a terminal", () => {
  test("what a recipe prints of a machine keeps its colours, and has no other power over the terminal", async () => {
    const { view, sink } = openStage({ isColored: true });
    await view.print("\x1b]0;title\x07\x1b[32mgreen\x1b[0m \x1b[2Jdone\n", "stdout");
    await view.print("\x1b]52;c;Y2xpcA==\x07clip\n", "stderr");
    expect(sink.written).toContain("\x1b[32mgreen\x1b[0m done\n");
    expect(sink.written).toContain("clip\n");
    // deno-lint-ignore no-control-regex
    expect(sink.written).not.toMatch(/title|Y2xpcA|\x1b\[2Jdone|\x1b\]/);
  });

  test("a step that goes on is one line with its time and cost, and the last of what it prints below it", async () => {
    const { clock, begin, print, tell, screen } = openStage({ costs: { t: 0.314 } });
    await begin(1, "train");
    await tell({ kind: "rented", step: 1, key: "train", token: "t", id: "i-1", pricePerHour: 1 });
    for (let line = 1; line <= 8; line++) await print(1, `epoch ${line}`);
    await clock.advance(12_000);
    expect(screen()).toEqual([
      expect.stringMatching(/^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] train {2}12 s · \$0\.31$/),
      ...[4, 5, 6, 7, 8].map((line) => `  epoch ${line}`),
    ]);
  });

  test("it collapses when it is over, and what the recipe prints stands above what goes on", async () => {
    const { clock, begin, print, end, view, screen } = openStage();
    await begin(1, "one");
    await begin(2, "two", { tail: 2 });
    for (let line = 1; line <= 12; line++) await print(1, `line ${line}`);
    await print(2, "hidden when it is over");
    await view.print("the recipe speaks\n", "stdout");
    await end(2);
    await clock.advance(240);
    expect(screen().slice(0, 2)).toEqual(["the recipe speaks", "✓ two  0 s"]);
    expect(screen().at(-1)).toBe("1 of 2 done · 0.2 s");
    await end(1);
    await clock.advance(240);
    expect(screen()).toEqual([
      "the recipe speaks",
      "✓ two  0 s",
      "✓ one  0.2 s",
      "  … 2 lines before",
      ...Array.from({ length: 10 }, (_, index) => `  line ${index + 3}`),
    ]);
  });

  test("what fails keeps its last lines, whatever `tail` says", async () => {
    const { clock, begin, print, end, screen } = openStage();
    await begin(1, "build", { tail: 2 });
    for (const line of ["a", "b", "c"]) await print(1, line);
    await end(1, "exited with 3\nmore of it");
    await clock.advance(240);
    expect(screen()).toEqual(["✗ build  0 s  exited with 3", "  … 1 line before", "  b", "  c"]);
  });

  test("the name of a step gives way before its time does, and a label is not said twice", async () => {
    const { clock, begin, end, view, screen } = openStage({ columns: 40 });
    await begin(1, "python3 train.py --epochs 3 --seed 42 --verbose");
    await end(1);
    await begin(2, "trainer");
    view.detail(2, "trainer: `i-1` is booting");
    await clock.advance(240);
    expect(screen()).toEqual([
      "✓ python3 train.py --epochs 3 --s…  0 s",
      expect.stringMatching(/^. trainer {2}0\.2 s {2}`i-1` is booting$/),
      "1 of 2 done · 0.2 s",
    ]);
  });

  test("the first line of an error announces nothing that is not there", async () => {
    const { clock, begin, end, screen } = openStage();
    await begin(1, "make");
    await end(1, "`make` exited with 2:\nno rule");
    await clock.advance(240);
    expect(screen()).toEqual(["✗ make  0 s  `make` exited with 2"]);
  });

  test("200 steps at once take no more of the screen than there is, and are counted", async () => {
    const { clock, begin, screen, sink } = openStage({ rows: 20 });
    for (let step = 1; step <= 200; step++) await begin(step, `step ${step}`);
    await clock.advance(240);
    expect(screen().length).toBeLessThan(20);
    expect(screen().at(-2)).toBe("… 190 more");
    expect(screen().at(-1)).toBe("0 of 200 done · 0.2 s");
    sink.resize({ columns: 60, rows: 8 });
    await clock.advance(240);
    expect(screen().length).toBeLessThan(8 + 12);
  });

  test("no line is wider than the terminal, and a child moves no cursor", async () => {
    const { clock, begin, print, screen } = openStage({ columns: 24 });
    await begin(1, "a command with a very long name that nobody reads");
    await print(1, "\x1b[2J\x1b[10;10Hwide ".repeat(10));
    await clock.advance(240);
    for (const line of screen()) expect(Bun.stringWidth(line)).toBeLessThan(24);
    expect(screen().join("\n")).toContain("wide wide");
  });

  test("when the run is over nothing of the living part is left", async () => {
    const { clock, begin, view, tell, screen } = openStage();
    await begin(1, "endless");
    await clock.advance(240);
    await tell({ kind: "ended", exitCode: 130, error: "interrupted", result: null, costDollars: 0, kept: [] });
    await view.written();
    expect(screen()).toEqual([]);
  });
});

describe("where there is no terminal", () => {
  test("what a recipe prints goes through as it is: a program may want all of it", async () => {
    const { view, sink } = openStage({ isTTY: false });
    await view.print("\x1b]0;title\x07\x1b[32mgreen\n", "stdout");
    expect(sink.written).toBe("\x1b]0;title\x07\x1b[32mgreen\n");
  });

  test("each line has its time and step, and the end of a step what it took", async () => {
    const { clock, sink, begin, print, end, also } = openStage({ isTTY: false });
    await begin(1, "one\ncommand");
    await print(1, "first\nsecond \x1b[31mred\x1b[0m");
    await clock.advance(65_000);
    await end(1, "exited with 1");
    const lines = sink.written.trimEnd().split("\n").map((line) => line.replace(/^\d\d:\d\d:\d\d /, ""));
    expect(lines).toEqual([
      "one command | first",
      "one command | second red",
      "one command failed · 1 min 05 s · exited with 1",
    ]);
    expect(also.join("")).toBe(sink.written);
  });

  test("why a step failed is said once: by the run where that ends with it, else by the innermost step", async () => {
    const plain = (written: string) =>
      written.trimEnd().split("\n").map((line) => line.replace(/^\d\d:\d\d:\d\d /, ""));
    const caught = openStage({ isTTY: false });
    await caught.begin(1, "outer");
    await caught.begin(2, "inner", { parent: 1 });
    await caught.end(2, "there is none");
    await caught.end(1, "there is none");
    await caught.begin(3, "next");
    await caught.view.written();
    expect(plain(caught.sink.written)).toEqual(["inner failed · 0 s · there is none", "outer failed · 0 s"]);

    const final = openStage({ isTTY: false });
    await final.begin(1, "only");
    await final.end(1, "there is none");
    const error = "there is none\n    at r.ts:1:1";
    await final.tell({ kind: "ended", exitCode: 1, error, result: null, costDollars: 0, kept: [] });
    await final.view.written();
    expect(plain(final.sink.written)).toEqual(["only failed · 0 s"]);

    const quiet = openStage({ isTTY: false });
    await quiet.begin(1, "only");
    await quiet.end(1, "there is none");
    await quiet.clock.advance(5000);
    await quiet.view.written();
    expect(plain(quiet.sink.written)).toEqual(["only failed · 0 s · there is none"]);
  });
});
