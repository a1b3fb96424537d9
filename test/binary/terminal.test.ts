import { describe, expect, test } from "bun:test";
import { machineFoldersOf } from "../../scripts/traces.ts";
import { Home, useCompiled } from "./compiled.ts";

useCompiled();

const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const signals = Object.entries(codes) as [keyof typeof codes, number][];

/** A home with one machine, and a gpu that asks whether to stop it. */
async function asked(home: Home) {
  expect((await home.run(["start", "--name", "box"])).code).toBe(0);
  const gpu = home.startOnTerminal(["stop", "--all"]);
  await gpu.shows("which loses its disk");
  return gpu;
}

async function instancesOf(home: Home): Promise<string[]> {
  const { stdout } = await home.run(["status", "--json"]);
  return JSON.parse(stdout).map(({ name }: { name: string }) => name);
}

describe("at a question", () => {
  test.each(signals)("%s ends gpu at once, and nothing is done", async (signal, code) => {
    await using home = new Home();
    const gpu = await asked(home);
    const startedAt = performance.now();
    gpu.kill(signal);
    expect(await gpu.ended()).toEqual({ code, signal: null });
    // Well below the time that work gets to end in order.
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(await instancesOf(home)).toEqual(["box"]);
  });

  test.each([["Ctrl-C", "\x03", 130], ["Escape", "\x1b", 130], ["n", "n", 1], ["Enter", "\r", 1]] as const)(
    "%s does nothing",
    async (_, keys, code) => {
      await using home = new Home();
      const gpu = await asked(home);
      gpu.type(keys);
      expect(await gpu.ended()).toEqual({ code, signal: null });
      expect(await instancesOf(home)).toEqual(["box"]);
    },
  );

  test("y does it", async () => {
    await using home = new Home();
    const gpu = await asked(home);
    gpu.type("y");
    expect(await gpu.ended()).toEqual({ code: 0, signal: null });
    await home.expectNothingLeft();
  });

  test("a window that is closed is no yes", async () => {
    await using home = new Home();
    const gpu = await asked(home);
    gpu.close();
    // The end of the keys may be noticed before the signal.
    expect([129, 130]).toContain((await gpu.ended()).code ?? 0);
    expect(await instancesOf(home)).toEqual(["box"]);
  });
});

describe("a window that is closed leaves no machine", () => {
  test("of gpu start", async () => {
    await using home = new Home();
    const gpu = home.startOnTerminal(["start"], { env: { GPU_LOCAL_BOOT_MS: "60000" } });
    while (machineFoldersOf(home.path).length === 0) await Bun.sleep(5);
    gpu.close();
    expect((await gpu.ended()).code).toBe(129);
    await home.expectNothingLeft();
  });

  test("of a recipe", async () => {
    await using home = new Home();
    const recipe = home.write(
      "wait.ts",
      `import { gpu, recipe } from "gpu";
export default recipe({
  summary: "Wait for the end",
  async run() {
    await using box = await gpu.start({ hours: 0.1 });
    console.log("here", box.id);
    for (;;) { await new Promise((resolve) => setTimeout(resolve, 50)); console.log("still here"); }
  },
});
`,
    );
    const gpu = home.startOnTerminal(["run", recipe, "--yes"]);
    await gpu.shows("here");
    gpu.close();
    expect((await gpu.ended()).code).toBe(129);
    await home.expectNothingLeft();
  });
});

describe("Ctrl-C typed on the terminal", () => {
  test("three times ends gpu at once; the next command gives back", async () => {
    await using home = new Home();
    const gpu = home.startOnTerminal(["run", home.write("stubborn.ts", stubborn), "--yes"]);
    await gpu.shows("here");
    gpu.type("\x03");
    await gpu.shows("stopping ");
    gpu.type("\x03");
    await gpu.shows("once more ends gpu at once");
    const startedAt = performance.now();
    gpu.type("\x03");
    expect(await gpu.ended()).toEqual({ code: 130, signal: null });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect((await home.run(["stop", "--all", "--yes"])).code).toBe(0);
    await home.expectNothingLeft();
  });
});

/** Its machine's processes do not hear SIGTERM, so that stopping takes its time. */
const stubborn = `import { gpu, recipe } from "gpu";
export default recipe({
  summary: "Rent a machine that is slow to stop",
  async run() {
    await using box = await gpu.start({ hours: 0.1 });
    await box.exec("trap '' TERM HUP INT; (while :; do sleep 1; done) >/dev/null 2>&1 & echo started");
    console.log("here", box.id);
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  },
});
`;

describe("a recipe whose machine is slow to stop still ends with the signal's code", () => {
  test.concurrent.each(signals)("%s", async (signal, code) => {
    await using home = new Home();
    const running = home.start(["run", home.write("stubborn.ts", stubborn), "--yes"]);
    await running.printed("here");
    running.kill(signal);
    const ended = await running.ended();
    expect({ code: ended.code, stderr: ended.code === code ? "" : ended.stderr }).toEqual({ code, stderr: "" });
    await home.expectNothingLeft();
  });
});

describe("a watch", () => {
  test("is drawn in its own place, and Ctrl-C gives the cursor and the screen back, with the last of it", async () => {
    await using home = new Home();
    expect((await home.run(["start", "--name", "box"])).code).toBe(0);
    const gpu = home.startOnTerminal(["status", "--watch"]);
    await gpu.shows("running");
    gpu.type("\x03");
    expect(await gpu.ended()).toEqual({ code: 0, signal: null });
    await gpu.shows("\x1b[?25h\x1b[?1049l");
    const [watched = "", left = ""] = gpu.shown.split("\x1b[?25h\x1b[?1049l");
    expect(watched.startsWith("\x1b[?1049h\x1b[?25l")).toBe(true);
    // Nothing is wiped: neither the screen between two frames, nor what can be scrolled back to.
    expect(watched).not.toMatch(/\x1b\[[23]J/);
    expect(left).toContain("box");
  });
});

describe("colour", () => {
  const escapes = /\x1b\[[0-9;]*m/;

  test.each(
    [
      ["on a terminal", [], {}, true],
      ["--no-color", ["--no-color"], {}, false],
      ["NO_COLOR", [], { NO_COLOR: "1" }, false],
      ["an empty NO_COLOR", [], { NO_COLOR: "" }, true],
      ["a dumb terminal", [], { TERM: "dumb" }, false],
    ] as const,
  )("%s", async (_, flags, env, isColored) => {
    await using home = new Home();
    expect((await home.run(["start"])).code).toBe(0);
    const gpu = home.startOnTerminal(["status", ...flags], { env });
    await gpu.ended();
    await gpu.shows("running");
    expect(escapes.test(gpu.shown)).toBe(isColored);
  });

  test("NO_COLOR holds for questions too", async () => {
    await using home = new Home();
    expect((await home.run(["start"])).code).toBe(0);
    const gpu = home.startOnTerminal(["stop", "--all"], { env: { NO_COLOR: "1" } });
    await gpu.shows("which loses its disk");
    expect(escapes.test(gpu.shown)).toBe(false);
    gpu.type("n");
    await gpu.ended();
  });

  test("a pipe never gets any", async () => {
    await using home = new Home();
    expect((await home.run(["start"])).stderr).not.toMatch(escapes);
    expect((await home.run(["status"])).stdout).not.toMatch(escapes);
  });
});
