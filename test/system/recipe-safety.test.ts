import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readEvent } from "../../src/runs/events.ts";
import { loggedRuns } from "../../src/runs/store.ts";
import { type Bench, openBench, removeTestCache } from "../unit/recipe-fixture.ts";

const token = "s3cr3t-VALUE-abcdef";
let bench: Bench;
let count = 0;

beforeEach(() => {
  bench = openBench();
  process.env.SAFETY_TOKEN = token;
});
afterEach(() => {
  delete process.env.SAFETY_TOKEN;
  bench[Symbol.dispose]();
});
afterAll(removeTestCache);

async function run(body: string, flags: readonly string[] = [], args: readonly string[] = []) {
  const name = `s${++count}.ts`;
  const head = 'import { $, gpu, onExit, recipe, secrets, step, z } from "gpu";\n';
  bench.write({
    [name]: body.includes("export default") ? head + body : `${head}export default async () => {\n${body}\n};`,
  });
  return { name, ...await bench.run(["run", "--no-check", ...flags, name, ...args]) };
}

/** All logs of runs, as they are on disk. */
function logged(): string {
  const folder = join(bench.folder, ".state/runs");
  return readdirSync(folder).filter((name) => name.endsWith(".jsonl"))
    .map((name) => readFileSync(join(folder, name), "utf8")).join("");
}

describe("a secret that the run asked for is nowhere", () => {
  test("where it is printed in pieces, at the end of the run too", async () => {
    const { stdout, stderr } = await run(`
      const secret = await secrets.get("SAFETY_TOKEN");
      onExit(() => console.log("exit", secret));
      for (const part of ["split ", secret.slice(0, 8), secret.slice(8), " whole\\n"]) process.stdout.write(part);
      for (const part of ["half ", secret.slice(0, 8)]) process.stderr.write(part);
      await new Promise((resolve) => setTimeout(resolve, 5));
      process.stderr.write(secret.slice(8) + "\\n");`);
    expect(stdout).toBe("split ******** whole\nexit ********\n");
    expect(stderr).toBe("half ********");
    expect(logged()).not.toContain("s3cr3t-V");
    expect(logged()).not.toContain("ALUE-abcdef");
  });

  test("in the key of a step, a label, and what a machine is kept for", async () => {
    const { stderr } = await run(`
      const secret = await secrets.get("SAFETY_TOKEN");
      await step("key " + secret, () => 1);
      const box = await gpu.start({}, { label: "label " + secret });
      await box.keep({ hours: 1, why: "why " + secret });`);
    expect(stderr).not.toContain(token);
    expect(bench.events).toContain("keep i-1: why ********");
    expect(logged()).not.toContain(token);
  });

  test("in a parameter that is marked as one", async () => {
    const { stdout } = await run(
      `export default recipe({
        summary: "Take a pin",
        input: z.object({ pin: z.string().meta({ secret: true }).default("none"), apiKey: z.string().default("") }),
        run: ({ pin }) => \`the pin is \${pin}\`,
      });`,
      [],
      ["--pin", "open-sesame", "--api-key", "by-its-name"],
    );
    expect(stdout).toBe("the pin is ********\n");
    expect(logged()).toContain('"input":{"pin":"********","apiKey":"********"}');
    expect(logged()).not.toMatch(/open-sesame|by-its-name/);
  });
});

describe("what is thrown", () => {
  test.each([
    ["a proxy", "throw new Proxy({}, { getPrototypeOf() { throw 1; }, get() { throw 2; } });"],
    [
      "an error that does not let itself be read",
      'throw Object.defineProperty(new Error(), "stack", { get() { throw 1; } });',
    ],
    [
      "an error with a message of another type",
      'throw Object.assign(new Error("a"), { message: { a: 1 }, stack: 5 });',
    ],
  ])("%s is the failure of the recipe, and no bug", async (_name, body) => {
    const { stderr, exitCode } = await run(body);
    expect(stderr).toMatch(/^error: (the recipe threw what cannot be read|\[object Object\])/);
    expect(exitCode).toBe(1);
  });

  test("a result that cannot be printed fails the run in its log as well", async () => {
    const { exitCode } = await run("return { big: 1n };");
    expect(exitCode).toBe(1);
    expect(logged()).toContain('"kind":"ended","exitCode":1');
  });
});

describe("the budget of a run holds", () => {
  const inner = 'import { gpu } from "gpu";\nexport default async () => void await gpu.start({ pricePerHour: 2 });';

  test("for a recipe that it runs, whatever that one may spend", async () => {
    bench.write({ "inner.ts": inner });
    const refused = await run('await gpu.run({ file: "inner.ts", check: false, budget: 100 });', ["--budget", "1"]);
    expect(refused.stderr).toContain("the budget is $1.00");
    expect(refused.exitCode).toBe(1);
    expect(bench.events).toEqual([]);
    const both =
      'await gpu.start({ pricePerHour: 3 }); await gpu.run({ file: "inner.ts", check: false, budget: 100 });';
    expect((await run(both, ["--budget", "4"])).stderr).toContain("after $3.00 already planned: the budget is $4.00");
    expect((await run(both, ["--budget", "5"])).exitCode).toBe(0);
  });

  test("a plan counts the whole budget of a recipe that it runs, and ends where nobody said one", async () => {
    bench.write({ "inner.ts": inner });
    const known = await run('await gpu.run({ file: "inner.ts", budget: 7 });', ["--dry-run"]);
    expect(known.stderr).toContain("it would cost at most $7.00");
    const unknown = await run('await gpu.run({ file: "inner.ts" });', ["--dry-run"]);
    expect(unknown.stderr).toContain(
      "the plan ends here, at most $0.00: what `gpu.run` spends is known only when it runs",
    );
  });

  test("for one that it starts in the background", async () => {
    bench.write({ "inner.ts": inner });
    const open = await run('await gpu.run({ file: "inner.ts", check: false, detach: true });', ["--budget", "1"]);
    expect(open.stderr).toContain("`detach` in a recipe needs a `budget`");
    const more = await run('await gpu.run({ file: "inner.ts", check: false, detach: true, budget: 2 });', [
      "--budget",
      "1",
    ]);
    expect(more.stderr).toContain("the budget is $1.00");
  });
});

describe("files that are not as they were written", () => {
  test("what is no log of ours is passed over, and a time that no clock shows is none", () => {
    const runs = join(bench.folder, ".state/runs");
    mkdirSync(join(runs, "abcdefabcdef.jsonl"), { recursive: true });
    expect(loggedRuns(bench.world)).toEqual([]);
    expect(readEvent('{"seq":1,"time":1e300,"kind":"note","text":"a"}')).toBeUndefined();
    expect(readEvent('{"seq":1,"time":1e3,"kind":"note","text":"a"}')).toBeDefined();
  });

  test("`--resume` does not begin anew where the log cannot be read", async () => {
    mkdirSync(join(bench.folder, ".state/runs"), { recursive: true });
    writeFileSync(join(bench.folder, ".state/runs/abcdefabcdef.jsonl"), "\0\0\0");
    const { stderr, exitCode } = await run("await gpu.start({});", ["--resume", "abcdefabcdef"]);
    expect(stderr).toContain("the log of the run abcdefabcdef cannot be read");
    expect(exitCode).toBe(1);
    expect(bench.events).toEqual([]);
  });

  test.skipIf(!existsSync("/dev/full"))("a full disk below `--log-file` is a warning", async () => {
    const { stdout, stderr, exitCode } = await run('await $`echo a`; await $`echo b`; return "done";', [
      "--log-file",
      "/dev/full",
    ]);
    expect(stderr.match(/warning: cannot write `\/dev\/full`: the disk is full/g)).toHaveLength(1);
    expect({ stdout, exitCode }).toEqual({ stdout: "done\n", exitCode: 0 });
  });
});
