import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { CallLog, newRecord } from "../../src/recipe/calls.ts";
import { Owned } from "../../src/recipe/owned.ts";
import { outputOf, TextCollector } from "../../src/recipe/shell-output.ts";
import { type Bench, openBench } from "./recipe-fixture.ts";

let bench: Bench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench[Symbol.dispose]());

async function run(code: string, argv: readonly string[] = []) {
  bench.write({
    "r.ts":
      `import { $, gpu, recipe } from "gpu";\nexport default recipe({ summary: "A test", async run() {\n${code}\n} });`,
  });
  return await bench.run(["run", "--no-check", "r.ts", ...argv]);
}

describe("a recipe that runs for days keeps", () => {
  test("no record of calls that are over, but who failed", async () => {
    const calls = new CallLog();
    for (let i = 0; i < 5000; i++) await calls.track(newRecord("gpu.status"), () => Promise.resolve(i));
    expect(calls.size).toBeLessThan(300);
    const failure = new Error("first");
    await calls.track(newRecord("gpu.exec"), () => Promise.reject(failure)).catch(() => {});
    void calls.track(newRecord("gpu.stop"), () => Promise.resolve());
    for (let i = 0; i < 1000; i++) await calls.track(newRecord("gpu.status"), () => Promise.resolve(i));
    expect(calls.findByError(failure)).toMatchObject({ name: "gpu.exec" });
    expect(calls.findLeftOpen()).toMatchObject({ name: "gpu.stop" });
  });

  test("no handle that is closed, and closes the others, the last first", async () => {
    const closed: string[] = [];
    const handle = (name: string) => ({
      async [Symbol.asyncDispose]() {
        closed.push(name);
      },
    });
    const owned = new Owned();
    for (let i = 0; i < 100; i++) {
      const opened = handle("scoped");
      owned.add(opened);
      await using _scoped = opened;
    }
    expect(owned.size).toBe(0);
    const forget = owned.add(handle("ended by itself"));
    owned.add(handle("one"));
    owned.add(handle("two"));
    forget();
    closed.length = 0;
    expect(await owned.disposeAll()).toEqual([]);
    expect(closed).toEqual(["two", "one"]);
  });

  test("only so much of what a command prints, and says so where it is read", () => {
    const text = (collector: TextCollector) =>
      outputOf("train", { exitCode: 0, stdout: collector, stderr: new TextCollector() });
    const small = new TextCollector(100_000);
    for (let i = 0; i < 10; i++) small.add(Buffer.from("é–".repeat(1000)).subarray(0, 4999));
    expect(text(small).stdout).toHaveLength(10 * 1999 + 10);
    const large = new TextCollector(100_000);
    for (let i = 0; i < 1000; i++) large.add(Buffer.from(`line ${i} ${"x".repeat(1000)}\n`));
    expect(() => text(large).stdout).toThrow("`train` printed more than 64 MiB on stdout");
    expect(text(large).exitCode).toBe(0);
    expect(large.lastWords()).toHaveLength(8192);
    expect(large.lastWords()).toEndWith(`line 999 ${"x".repeat(1000)}\n`);
  });
});

test("under `--json` all that prints on stdout prints on stderr, and as before afterwards", async () => {
  bench.write({
    "print.ts": `import { printToStderr } from ${JSON.stringify(join(import.meta.dir, "../../src/recipe/traps.ts"))};
      {
        using _ = printToStderr(process);
        for (const print of [console.log, console.info, console.debug, console.dir, console.dirxml, console.trace]) print("a");
        console.table([{ a: 1 }]);
        console.count(); console.count(); console.countReset(); console.count();
        console.group("title"); console.log("inside"); console.groupCollapsed(); console.groupEnd(); console.groupEnd();
        console.write("b\\n", new Uint8Array([99, 10]));
        process.stdout.write("d\\n");
      }
      console.log("stdout"); console.count(); console.group("again");`,
  });
  const child = Bun.spawn([process.execPath, join(bench.folder, "print.ts")], { stdout: "pipe", stderr: "pipe" });
  expect(await new Response(child.stdout).text()).toBe("stdout\ndefault: 1\nagain\n");
  const stderr = await new Response(child.stderr).text();
  expect(stderr).toStartWith("a\na\na\na\na\na");
  expect(stderr).toEndWith("default: 1\ndefault: 2\ndefault: 1\ntitle\n  inside\nb\nc\nd\n");
});

describe("money", () => {
  test("that a refused launch did not spend can be spent", async () => {
    const sold = "await gpu.start({ pricePerHour: 2, isSoldOut: true }).catch(() => {});";
    const { exitCode, stderr } = await run(`${sold} ${sold} await gpu.start({ pricePerHour: 2 });`, ["--budget", "3"]);
    expect(stderr).not.toContain("error");
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 0, events: ["start i-1", "stop i-1"] });
  });
});

describe("the time of a stream", () => {
  test("is over for its items too", async () => {
    const { stderr, exitCode } = await run(
      `for await (const line of gpu.machine.follow({ goesOn: true }, { timeout: 100 })) console.log(line);`,
    );
    expect(stderr).toContain("error: `gpu.machine.follow` took longer than 100 ms");
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 1, events: ["follow ends"] });
  });

  test("ends with the stream, and the stream with its loop", async () => {
    const { stderr, exitCode } = await run(`
      for await (const line of gpu.machine.follow({}, { timeout: 150 })) console.log(line);
      for await (const line of gpu.machine.follow({ goesOn: true }, { timeout: 150 })) break;
      await Bun.sleep(200);`);
    expect({ exitCode, stderr, events: bench.events }).toEqual({
      exitCode: 0,
      stderr: "",
      events: ["follow ends", "follow ends"],
    });
  });
});
