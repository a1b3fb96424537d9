import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Bench, openBench } from "../unit/recipe-fixture.ts";

let bench: Bench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench[Symbol.dispose]());

async function run(text: string, args: readonly string[] = [], options?: { signal?: AbortSignal }) {
  bench.write({ "r.ts": text });
  return await bench.run(["run", "--no-check", "r.ts", ...args], options);
}

/** For what `bun test` would take for a failure of its own: errors that nobody catches. */
async function runInProcess(text: string) {
  bench.write({ "r.ts": text });
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../unit/recipe-main.ts"), bench.folder], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if (await child.exited !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as { exitCode: number; stderr: string; events: string[] };
}

const body = (code: string) =>
  `import { gpu, recipe, z, $, parallel, retry, sleep } from "gpu";
export default recipe({ summary: "A test", async run() {
${code}
} });`;

describe("a recipe", () => {
  test("rents, works, and gives back in reverse order when its scope ends", async () => {
    const { exitCode, stdout } = await run(body(`
      await using box = await gpu.start({ hours: 2 });
      await using tunnel = await box.tunnel({ forward: ["0:ci"] });
      return { id: box.id, hours: box.hours, ...tunnel.ci() };`));
    expect(bench.events).toEqual(["start i-1", "tunnel 0:ci", "close tunnel", "stop i-1"]);
    expect(JSON.parse(stdout)).toEqual({ id: "i-1", hours: 2, server: "http://127.0.0.1:4000", apiKey: "secret" });
    expect(exitCode).toBe(0);
  });

  test("gives back what it forgot, the last first", async () => {
    const { exitCode } = await run(body("await gpu.start(); await gpu.start();"));
    expect(bench.events).toEqual(["start i-1", "start i-2", "stop i-2", "stop i-1"]);
    expect(exitCode).toBe(0);
  });

  test("keeps an instance only when it says so", async () => {
    await run(body(`await using box = await gpu.start(); await box.keep({ hours: 1, why: "to look" });`));
    expect(bench.events).toEqual(["start i-1", "keep i-1: to look"]);
  });

  test("has flags and help of its own", async () => {
    const text = `import { recipe, z } from "gpu";
      export default recipe({ summary: "Greet", input: z.object({
        name: z.string().describe("whom to greet"), times: z.number().default(1).describe("how often") }),
        run: ({ name, times }) => Array(times).fill("hello " + name).join(" ") });`;
    expect((await run(text, ["--name", "you", "--times", "2"])).stdout).toBe("hello you hello you\n");
    const help = await run(text, ["--help"]);
    expect(help.stdout).toContain("gpu run r.ts");
    expect(help.stdout).toContain("whom to greet");
    const wrong = await run(text, ["--nam", "you"]);
    expect(wrong.stderr).toContain("--name");
    expect(wrong.exitCode).toBe(2);
  });

  test("exits 1 for `success: false`, and prints its result as JSON when asked", async () => {
    const text = body(`console.log("on the way"); return { success: false };`);
    expect(await run(text, ["--json"])).toMatchObject({ exitCode: 1, stdout: '{\n  "success": false\n}\n' });
  });

  test("may be a function, or a script that exports nothing", async () => {
    bench.write({
      "f.ts": `export default (args: string[]) => args.join("+");`,
      "s.ts": `import { gpu } from "gpu"; await gpu.start();`,
    });
    expect((await bench.run(["run", "--no-check", "f.ts", "a", "b"])).stdout).toBe("a+b\n");
    expect((await bench.run(["run", "--no-check", "s.ts"])).exitCode).toBe(0);
    expect(bench.events).toEqual(["start i-1", "stop i-1"]);
  });

  test("may be a script that reads its arguments where any script has them", async () => {
    const before = process.argv;
    const said = join(bench.folder, "said.json");
    bench.write({ "s.ts": `await Bun.write(${JSON.stringify(said)}, JSON.stringify(process.argv.slice(1)));` });
    expect((await bench.run(["run", "--no-check", "s.ts", "a b", "--flag", "--", "c"])).exitCode).toBe(0);
    expect(await Bun.file(said).json()).toEqual([join(bench.folder, "s.ts"), "a b", "--flag", "--", "c"]);
    expect(process.argv).toBe(before);
  });

  test("that returns what parallel gave for work without a result prints nothing", async () => {
    bench.write({
      "r.ts": `import { parallel } from "gpu";\nexport default () => parallel([1, 2], async () => {});\n`,
    });
    expect(await bench.run(["run", "r.ts"])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("may be in a folder with any name", async () => {
    bench.write({ "a #1 50%20 b/r s.ts": `export default () => { throw new Error("here"); };` });
    expect((await bench.run(["run", "--no-check", "a #1 50%20 b/r s.ts"])).stderr).toContain(
      "error: here\n    at a #1 50%20 b/r s.ts:1:",
    );
  });

  test("imports helpers, which see the same run; a node_modules/gpu and a tsconfig.json beside it are not looked at", async () => {
    bench.write({
      "node_modules/gpu/package.json": `{"name":"gpu","main":"index.js"}`,
      "node_modules/gpu/index.js": `throw new Error("decoy")`,
      "tsconfig.json": `{"compilerOptions":{"paths":{"gpu":["./other.ts"]}}}`,
      "other.ts": `throw new Error("decoy")`,
      "lib/helper.ts": `import { gpu } from "gpu"; export const rent = () => gpu.start();`,
    });
    const { exitCode } = await run(`import { rent } from "./lib/helper.ts"; import { recipe } from "gpu";
      export default recipe({ summary: "A test", async run() { await rent(); } });`);
    expect(exitCode).toBe(0);
    expect(bench.events).toEqual(["start i-1", "stop i-1"]);
  });
});

describe("money", () => {
  test("a run without a budget spends nothing", async () => {
    const { exitCode, stderr } = await run(body("await gpu.start({ pricePerHour: 2 });"));
    expect(stderr).toContain("would spend up to $2.00");
    expect(stderr).toContain("--budget");
    expect(stderr).toContain("at r.ts:3:11");
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 2, events: [] });
  });

  test("the budget counts everything that is rented, beforehand", async () => {
    const { exitCode, stderr } = await run(
      body("await gpu.start({ pricePerHour: 2 }); await gpu.start({ pricePerHour: 2 });"),
      ["--budget", "3"],
    );
    expect(stderr).toContain("after $2.00 already planned: the budget is $3.00");
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 1, events: ["start i-1", "stop i-1"] });
  });

  test("a launch is never repeated by `retry`", async () => {
    expect((await run(body("await gpu.start({}, { retry: 2 });"))).stderr).toContain("`gpu.start` takes no `retry`");
    expect(bench.events).toEqual([]);
  });
});

describe("a bad recipe", () => {
  test("that is not there, is a folder, a URL, something else", async () => {
    bench.write({ "folder/x.ts": "", "notes.txt": "hello", "what?.ts": "export default 1" });
    const said = async (argument: string) => {
      const { exitCode, stderr } = await bench.run(["run", argument]);
      return `${exitCode} ${stderr.split("\n")[0]}`;
    };
    expect(await said("nowhere.ts")).toBe("2 error: there is no file `nowhere.ts`");
    expect(await said("folder")).toBe("2 error: `folder` is a folder");
    expect(await said("https://example.com/r.ts")).toStartWith("2 error: `https://example.com/r.ts` is a URL");
    expect(await said("notes.txt")).toBe("2 error: `notes.txt` is not TypeScript or JavaScript");
    expect(await said("what?.ts")).toEndWith("what?.ts` has a `?` in it, and cannot be imported");
    expect(await said("folder/x.ts")).toBe("1 error: `folder/x.ts` is empty");
  });

  test("that does not parse says where, and nothing of it runs", async () => {
    const { exitCode, stderr } = await run(`console.log("ran");\nconst x = ;\n`);
    expect(stderr).toContain(
      'r.ts:2:11: Unexpected ;\n  1 | console.log("ran");\n  2 | const x = ;\n    |           ^',
    );
    expect(exitCode).toBe(1);
  });

  test("whose import does not parse, or is missing", async () => {
    bench.write({ "lib.ts": "export const x = ;" });
    expect((await run(`import { x } from "./lib.ts"; export default () => x;`)).stderr).toContain("lib.ts:1:18");
    expect((await run(`import { x } from "./none.ts"; export default () => x;`)).stderr).toContain("./none.ts");
  });

  test("that exports no recipe", async () => {
    expect((await run(`export const helper = 1;`)).stderr).toContain("exports no recipe, only `helper`");
    expect((await run(`export default 3;`)).stderr).toContain("is not a recipe");
    const forgotten = await run(`import { recipe } from "gpu"; recipe({ summary: "Lost", run() {} });`);
    expect(forgotten.stderr).toContain("makes a recipe and does not export it");
    expect(forgotten.exitCode).toBe(1);
  });

  test("that throws: its own file and line, not ours", async () => {
    const { exitCode, stderr } = await run(
      body(`await gpu.start();\n  fail();\n  function fail() { throw new TypeError("no such thing"); }`),
    );
    expect(stderr).toContain("\nerror: TypeError: no such thing\n    at r.ts:5:");
    expect(stderr).toContain("    at r.ts:4:3\n");
    expect(stderr).toContain(`  5 |   function fail() { throw new TypeError("no such thing"); }`);
    expect(stderr).not.toContain("src/recipe");
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 1, events: ["start i-1", "stop i-1"] });
  });

  test("whose call fails: the line of the call", async () => {
    const { exitCode, stderr } = await run(body(`await gpu.machineStatus({ fail: 1 });`));
    expect(stderr).toContain("error: no answer to call 1\n    at r.ts:3:11\n");
    expect(exitCode).toBe(1);
  });

  test("with a mistyped key", async () => {
    const { stderr, exitCode } = await run(body(`await gpu.start({ huors: 8 });`));
    expect(stderr).toContain("huors");
    expect(stderr).toContain("it takes `hours`");
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 2, events: [] });
  });

  test("that ends its process: after everything is given back, and with its code", async () => {
    const { exitCode } = await run(body(`await gpu.start(); process.exit(3);`));
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 3, events: ["start i-1", "stop i-1"] });
    const later = await runInProcess(
      body(`await gpu.start(); setTimeout(() => process.exit(4), 1); await new Promise(() => {});`),
    );
    expect(later).toMatchObject({ exitCode: 4, events: ["start i-1", "stop i-1"] });
  });

  test("that forgets an await: the run fails with the line", async () => {
    const { exitCode, stderr } = await run(body(`  gpu.start();\n  await Promise.resolve();`));
    expect(stderr).toContain("nobody waited for `gpu.start`\n    at r.ts:3:");
    expect(exitCode).toBe(1);
    expect(bench.events).toEqual(["start i-1", "stop i-1"]);
  });

  test("that forgets to wait for a Promise.all, or for a command of a shell", async () => {
    const all = await runInProcess(body(`Promise.all([gpu.slow()]); await Promise.resolve();`));
    expect(all.stderr).toContain("ended while `gpu.slow` was still going on");
    expect(all.events).toEqual(["slow begins", "slow ends"]);
    const shell = await run(body("$`true`;"));
    expect(shell.stderr).toContain("nobody waited for `$`\n    at r.ts:3:");
  });

  test("whose floating code throws", async () => {
    const { exitCode, stderr, events } = await runInProcess(
      body(`await gpu.start(); setTimeout(() => { throw new Error("late"); }, 1); await new Promise(() => {});`),
    );
    expect(stderr).toContain("error: late\n    at r.ts:3:");
    expect({ exitCode, events }).toEqual({ exitCode: 1, events: ["start i-1", "stop i-1"] });
  });

  test("that never ends: Ctrl-C gives back what it rented", async () => {
    const ending = new AbortController();
    const { InterruptedError } = await import("../../src/errors.ts");
    setTimeout(() => ending.abort(new InterruptedError("SIGTERM")), 50);
    const { exitCode } = await run(body(`await gpu.start(); await new Promise(() => {});`), [], {
      signal: ending.signal,
    });
    expect({ exitCode, events: bench.events }).toEqual({ exitCode: 143, events: ["start i-1", "stop i-1"] });
  });
});

describe("functions", () => {
  test("streams are iterated with or without await, and end when the loop does", async () => {
    const { stdout } = await run(body(`
      const lines = [];
      for await (const line of gpu.machine.follow({ lines: 2 })) lines.push(line);
      for await (const line of await gpu.machine.follow({ lines: 9 })) { lines.push(line); break; }
      return lines;`));
    expect(JSON.parse(stdout)).toEqual(["line 1", "line 2", "line 1"]);
    expect(bench.events).toEqual(["follow ends", "follow ends"]);
  });

  test("timeout, quiet, label", async () => {
    const { stderr } = await run(body(`
      await gpu.machineStatus({}, { label: "first" });
      await gpu.machineStatus({}, { quiet: true });
      await gpu.slow({}, { timeout: 20 });`));
    expect(stderr).toStartWith("first: asking\n");
    expect(stderr).toContain("\nerror: `gpu.slow` took longer than 20 ms");
    expect(bench.events).toEqual(["status", "status", "slow begins", "slow ends"]);
  });

  test("parallel keeps the order, and ends the siblings of what failed before it throws", async () => {
    const fine = await run(
      body("return await parallel([30, 10, 20], async (ms) => { await sleep(ms); return ms; }, { limit: 2 });"),
    );
    expect(JSON.parse(fine.stdout)).toEqual([30, 10, 20]);
    const { stderr } = await run(body(`
      await parallel([1, 2], async (n) => {
        if (n === 2) throw new Error("two failed");
        try { await gpu.slow(); } finally { await gpu.machineStatus().catch(() => {}); console.error("closed"); }
      });`));
    expect(stderr).toContain("two failed");
    expect(bench.events).toEqual(["slow begins", "slow ends"]);
  });

  test("retry tries again", async () => {
    const { stdout } = await run(body(`return await retry(() => gpu.machineStatus({ fail: 2 }), { pause: 1 });`));
    expect(JSON.parse(stdout)).toEqual({ calls: 3 });
  });
});
