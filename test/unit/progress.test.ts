import { describe, expect, test } from "bun:test";
import { openProgress } from "../../src/terminal/progress.ts";
import { FakeClock } from "../fake/clock.ts";
import { fakeSink } from "../fake/sink.ts";

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("the living line of a terminal", () => {
  test("is as long as the terminal is wide, and says for how long", async () => {
    const clock = new FakeClock({ mode: "manual" });
    const sink = fakeSink({ columns: 40 });
    using progress = openProgress({ sink, clock, isShown: true });
    progress.show("nothing is free, trying again every 15 s: gpu_1x_a10, gpu_1x_h100_pcie");
    expect(sink.screen()).toEqual(["nothing is free, trying again every 15…"]);
    await clock.advance(75_000);
    expect(sink.screen()).toEqual(["nothing is free, trying again e… · 75 s"]);
  });

  test("counts cells, not characters", async () => {
    const sink = fakeSink({ columns: 7 });
    using progress = openProgress({ sink, clock: new FakeClock({ mode: "manual" }), isShown: true });
    progress.show("世界世界世界");
    expect(sink.screen()).toEqual(["世界…"]);
    await settled();
  });

  test("is drawn anew when the window is made narrower or wider", async () => {
    const sink = fakeSink({ columns: 40 });
    using progress = openProgress({ sink, clock: new FakeClock({ mode: "manual" }), isShown: true });
    progress.show("waiting for SSH on box");
    await settled();
    sink.resize({ columns: 12 });
    await settled();
    expect(sink.screen()).toEqual(["waiting fo…"]);
    sink.resize({ columns: 40 });
    await settled();
    expect(sink.screen()).toEqual(["waiting for SSH on box"]);
  });

  test.each([false, true])("what is printed meanwhile stands above it, whole (slow terminal: %p)", async (isSlow) => {
    const clock = new FakeClock({ mode: "manual" });
    const sink = fakeSink({ columns: 40, isSlow });
    using progress = openProgress({ sink, clock, isShown: true });
    progress.show("trying");
    const first = progress.around(() => sink.write("one: none is free\n"));
    progress.show("trying another");
    await clock.advance(1000);
    const second = progress.around(() => sink.write("two: none is free\n"));
    progress.show("trying a third");
    await Promise.all([first, second]);
    await settled();
    expect(sink.screen()).toEqual(["one: none is free", "two: none is free", "trying a third · 1 s"]);
    progress.show(undefined);
    await settled();
    expect(sink.screen()).toEqual(["one: none is free", "two: none is free", ""]);
  });

  test("a write that fails is told to whoever wrote, and the next one goes on", async () => {
    const sink = fakeSink();
    using progress = openProgress({ sink, clock: new FakeClock({ mode: "manual" }), isShown: true });
    await expect(progress.around(() => Promise.reject(new Error("full")))).rejects.toThrow("full");
    await progress.around(() => sink.write("there\n"));
    expect(sink.screen()).toEqual(["there", ""]);
  });
});

describe("in a log", () => {
  async function logOf(play: (show: (text: string | undefined) => void, clock: FakeClock) => Promise<void>) {
    const clock = new FakeClock({ mode: "manual" });
    const sink = fakeSink({ isTTY: false });
    using progress = openProgress({ sink, clock, isShown: true });
    await play((text) => progress.show(text), clock);
    return sink.written;
  }

  test("what is over soon is not worth a line", async () => {
    expect(
      await logOf(async (show, clock) => {
        show("launching");
        await clock.advance(9_000);
        show(undefined);
        await clock.advance(100_000);
      }),
    ).toBe("");
  });

  test("each change is a plain line, at most one a minute, and the last one is not lost", async () => {
    const log = await logOf(async (show, clock) => {
      show("a is booting");
      await clock.advance(12_000);
      show("nothing is free, trying again every 15 s");
      await clock.advance(15_000);
      show("nothing is free, trying again every 30 s");
      await clock.advance(50_000);
    });
    expect(log).toBe("a is booting · 10 s\nnothing is free, trying again every 30 s · 70 s\n");
  });

  test("the same again is no news", async () => {
    const log = await logOf(async (show, clock) => {
      for (let round = 0; round < 10; round++) {
        show("launching");
        await clock.advance(500);
        show("nothing is free");
        await clock.advance(60_000);
      }
    });
    expect(log.split("\n").filter((line) => line.startsWith("nothing is free"))).toHaveLength(1);
  });

  test("nothing where nothing is to be said", async () => {
    const clock = new FakeClock({ mode: "manual" });
    const sink = fakeSink({ isTTY: false });
    using progress = openProgress({ sink, clock, isShown: false });
    progress.show("launching");
    await clock.advance(100_000);
    expect(sink.written).toBe("");
  });
});
