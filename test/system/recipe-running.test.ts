import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { InterruptedError } from "../../src/errors.ts";
import { readEvent, type RunEvent } from "../../src/runs/events.ts";
import { type Bench, openBench, removeTestCache } from "../unit/recipe-fixture.ts";

let bench: Bench;
let count = 0;

beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench[Symbol.dispose]());
afterAll(removeTestCache);

/** Runs the body of a recipe; each has a name of its own. */
async function run(body: string, flags: readonly string[] = [], from = "gpu, $, step, parallel, sleep") {
  const name = `r${++count}.ts`;
  bench.write({ [name]: `import { ${from} } from "gpu";\nexport default async function run() {\n${body}\n}\n` });
  return { name, ...await bench.run(["run", "--no-check", ...flags, name]) };
}

const rerun = (name: string, flags: readonly string[] = []) => bench.run(["run", "--no-check", ...flags, name]);

/** What the log of the last run says. */
function events(): RunEvent[] {
  const folder = join(bench.folder, ".state/runs");
  const [last = ""] = readdirSync(folder).filter((name) => name.endsWith(".jsonl"))
    .toSorted((one, other) => statSync(join(folder, other)).mtimeMs - statSync(join(folder, one)).mtimeMs);
  return readFileSync(join(folder, last), "utf8").split("\n").flatMap((line) => readEvent(line) ?? []);
}

const stepsIn = (all: readonly RunEvent[]) => all.flatMap((event) => event.kind === "step" ? [event.name] : []);

describe("the second argument of every function", () => {
  test("`timeout` ends the call, and says how long it was", async () => {
    const { stderr, exitCode } = await run(`await gpu.slow({}, { timeout: "20ms" });`);
    expect(stderr).toContain("error: `gpu.slow` took longer than 20ms");
    expect(exitCode).toBe(1);
    expect(bench.events).toEqual(["slow begins", "slow ends"]);
  });

  test("`retry` tries again so often", async () => {
    const { stdout } = await run(`return await gpu.machineStatus({ fail: 1 }, { retry: 1 });`);
    expect(JSON.parse(stdout)).toEqual({ calls: 2 });
  });

  test("`retry` does not rent twice", async () => {
    const { stderr, exitCode } = await run(`await gpu.start({}, { retry: 1 });`);
    expect(stderr).toContain("`gpu.start` takes no `retry`");
    expect(exitCode).toBe(2);
    expect(bench.events).toEqual([]);
  });

  test("`signal` ends the call with its reason", async () => {
    const { stderr } = await run(`
      const ending = new AbortController();
      setTimeout(() => ending.abort(new Error("enough of it")), 20);
      await gpu.slow({}, { signal: ending.signal });`);
    expect(stderr).toContain("error: enough of it");
    expect(bench.events).toEqual(["slow begins", "slow ends"]);
  });

  test("`quiet` says nothing, and is no step", async () => {
    const { stderr } = await run(`await gpu.start({}, { quiet: true }); await gpu.machineStatus({}, { quiet: true });`);
    expect(stderr).toBe("");
    expect(stepsIn(events())).toEqual([]);
  });

  test("`label` is its name in all that is shown", async () => {
    const { stderr } = await run(`await gpu.machineStatus({}, { label: "the first look" });`);
    expect(stderr).toMatch(/^the first look: asking\n\d\d:\d\d:\d\d the first look · [\d.]+ s$/);
    expect(stepsIn(events())).toEqual(["the first look"]);
  });
});

describe("what a run shows and writes down", () => {
  test("a step that Ctrl-C ended was interrupted, which is no failure", async () => {
    const ending = new AbortController();
    bench.write({
      "long.ts":
        `import { $, gpu, step } from "gpu";\nawait $\`echo here\`;\nawait step("wait", () => $\`sleep 100\`.then(() => {}));\n`,
    });
    const running = bench.run(["run", "--no-check", "long.ts"], { signal: ending.signal });
    // The log is there with its first step, and the second is in it when it has begun.
    const begun = () => existsSync(join(bench.folder, ".state/runs")) && stepsIn(events()).includes("sleep 100");
    while (!begun()) await Bun.sleep(10);
    ending.abort(new InterruptedError("SIGINT"));
    const { stderr, exitCode } = await running;
    expect(stderr).toMatch(/ wait interrupted · /);
    expect(stderr).toMatch(/3 steps in .*, 2 interrupted; /);
    expect(stderr).not.toContain("failed");
    expect(exitCode).toBe(130);
    const { stdout } = await bench.run(["runs", "show", "--json"]);
    const { steps } = JSON.parse(stdout);
    expect(steps.map(({ state }: { state: string }) => state)).toEqual(["done", "interrupted", "interrupted"]);
  });

  test("a recipe without steps prints its result and nothing else", async () => {
    expect(await run(`return "Hello";`)).toMatchObject({ stdout: "Hello\n", stderr: "", exitCode: 0 });
    expect(events().map(({ kind }) => kind)).toEqual(["started", "ended"]);
  });

  test("a look at something that is over at once is no step, unless it fails", async () => {
    await run(`await gpu.machineStatus(); await gpu.machineStatus({ fail: 9 }).catch(() => {});`);
    expect(stepsIn(events())).toEqual(["gpu.machineStatus"]);
  });

  test("output of steps that run at once is told in whole lines, each with its step", async () => {
    const { stderr, stdout } = await run(`
      await parallel([1, 2, 3, 4], (n) => $\`for i in 1 2 3; do printf 'half %s ' ${"${n}"}; sleep 0.01; echo "line $i"; done\`);`);
    expect(stdout).toBe("");
    const lines = stderr.split("\n").filter((line) => line.includes(" | "));
    expect(lines.length).toBe(12);
    for (const line of lines) expect(line).toMatch(/^\d\d:\d\d:\d\d .* \| half [1-4] line [1-3]$/);
  });

  test("what is called inside of a step belongs to it", async () => {
    await run(`await step("all", async () => { await $\`true\`; await step("inner", () => $\`echo in\`.text()); });`);
    const all = events();
    const parents = all.flatMap((event) => event.kind === "step" ? [[event.name, event.parent]] : []);
    expect(parents).toEqual([["all", null], ["true", 1], ["inner", 1]]);
  });

  test("what the recipe prints is in the log, however it prints it", async () => {
    await run(
      `console.log("a", { b: 1 }); console.error("c"); process.stdout.write("d\\n"); console.table([{ e: 1 }]);`,
    );
    const printed = events().flatMap((event) => event.kind === "output" ? [[event.stream, event.text]] : []);
    expect(printed.slice(0, 3)).toEqual([["stdout", "a {\n  b: 1,\n}"], ["stderr", "c"], ["stdout", "d"]]);
    expect(printed[3]?.[1]).toContain("│ 1 │");
  });

  test("`--log-file` gets the lines of the steps, and is its owner's alone", async () => {
    const { stderr } = await run("await $`echo one`; await $`echo two`;", ["--log-file", "steps.log"]);
    const text = readFileSync(join(bench.folder, "steps.log"), "utf8");
    expect(stderr).toStartWith(text);
    expect(text.split("\n").length).toBe(5);
    expect(statSync(join(bench.folder, "steps.log")).mode & 0o777).toBe(0o600);
  });

  test("a run that failed says where, after its steps", async () => {
    const { stderr, exitCode } = await run("await $`echo fine`; await $`echo no >&2; exit 3`;");
    expect(stderr).toMatch(/exit 3 failed · [\d.]+ s · exited with 3\n2 steps in [\d.]+ s, 1 failed; .*\nerror: /);
    expect(exitCode).toBe(1);
    expect(events().at(-1)).toMatchObject({ kind: "ended", exitCode: 1 });
  });
});

describe("step", () => {
  const body = `
    const made = await step("make", async () => { await $\`echo made >> made\`; return { n: 1, list: ["a", null] }; });
    if (!(await Bun.file(import.meta.dir + "/mended").exists())) throw new Error("not mended");
    return made;`;

  test("is not done again by a run that goes on from it, and not by one that goes on from that", async () => {
    const first = await run(body);
    const [, one = ""] = /(?:runs show )([0-9a-f]{12})/.exec(first.stderr) ?? [];
    const second = await rerun(first.name, ["--resume", one]);
    expect(second.stderr).toContain(`make: was done in the run ${one}`);
    const [, two = ""] =
      [...readdirSync(join(bench.folder, ".state/runs"))].flatMap((name) =>
        name.endsWith(".jsonl") && !name.startsWith(one) ? [["", name.slice(0, 12)]] : []
      )[0] ?? [];
    bench.write({ mended: "" });
    const third = await rerun(first.name, ["--resume", two]);
    expect(JSON.parse(third.stdout)).toEqual({ n: 1, list: ["a", null] });
    expect(readFileSync(join(bench.folder, "made"), "utf8")).toBe("made\n");
  });

  test("a recipe that was changed since says so", async () => {
    const { name, stderr } = await run(body);
    const [, id = ""] = /(?:runs show )([0-9a-f]{12})/.exec(stderr) ?? [];
    bench.write({ [name]: `${readFileSync(join(bench.folder, name), "utf8")}// more\n` });
    expect((await rerun(name, ["--resume", id])).stderr).toContain(`the recipe was changed since the run ${id}`);
  });

  test("other parameters than those of the run before are said", async () => {
    bench.write({
      "given.ts": `import { recipe, step, z } from "gpu";
export default recipe({
  summary: "Count",
  input: z.object({ count: z.number().default(1), name: z.string().default("a") }),
  run: ({ count }) => step("count", () => count),
});
`,
    });
    await bench.run(["run", "--no-check", "given.ts", "--count", "2"]);
    const logs = readdirSync(join(bench.folder, ".state/runs")).filter((name) => name.endsWith(".jsonl"));
    const id = logs[0]?.slice(0, 12) ?? "";
    const again = await bench.run(["run", "--no-check", "given.ts", "--resume", id]);
    expect(again.stderr).toContain(`not as in the run ${id}: \`count\` was 2 and is 1\n`);
    expect(again.stdout).toBe("2\n");
    const same = await bench.run(["run", "--no-check", "given.ts", "--count", "2", "--resume", id]);
    expect(same.stderr).not.toContain("not as in");
  });

  test("what JSON cannot hold, a key twice, and an empty key are refused", async () => {
    expect((await run(`await step("a", () => new Date() as never);`)).stderr).toContain("what JSON cannot hold");
    const cyclic = await run(
      `await step("a", () => { const list: unknown[] = []; list.push(list); return list as never; });`,
    );
    expect(cyclic.stderr).toContain("error: the step `a` returned what JSON cannot hold");
    expect((await run(`await step("a", () => 1); await step("a", () => 2);`)).stderr).toContain(
      "two steps have the key `a`",
    );
    expect((await run(`await step(" ", () => 1);`)).stderr).toContain("the key is empty");
  });

  test("one that nobody waits for fails the run", async () => {
    expect((await run(`step("later", () => sleep(5));`)).stderr).toContain('nobody waited for `step("later")`');
  });

  test("one that returns nothing, and one that fails, do what they did", async () => {
    const { stdout } = await run(`
      const nothing = await step("none", () => {});
      const why = await step("fails", () => { throw new Error("no"); }).catch((error) => error.message);
      return { nothing: nothing === undefined, why };`);
    expect(JSON.parse(stdout)).toEqual({ nothing: true, why: "no" });
  });
});

describe("--dry-run", () => {
  test("does only what looks at something, and rents nothing", async () => {
    const { stdout, stderr, exitCode } = await run(
      `
      await gpu.machineStatus();
      await using box = await gpu.start({ hours: 2, pricePerHour: 3 });
      box.every("1m", () => {});
      await box.upload("a", "b");
      await $\`touch made\`;
      await parallel([1, 2], (n) => box.$\`work ${"${n}"}\`);
      await using tunnel = await box.tunnel();
      tunnel.ci();
      const job = await box.job("train", "python3 train.py");
      await job.wait();`,
      ["--dry-run"],
    );
    expect(bench.events).toEqual(["status"]);
    expect(stdout.split("\n")).toEqual([
      "gpu.start\trent a machine\t$6.00",
      "box.upload\tcopy there: a b\t-",
      "$\ttouch made\t-",
      "box.$\twork 1\t-",
      "box.$\twork 2\t-",
      "box.tunnel\topen a tunnel\t-",
      "box.job\tstart in the background: train python3 train.py\t-",
      "job.wait\twait for its end\t-",
      "",
    ]);
    expect(stderr).toContain("it would cost at most $6.00");
    expect(exitCode).toBe(0);
  });

  test("ends where the recipe reads what is not known, also where it catches that", async () => {
    const reading = [
      "box.id",
      "(await box.$`id`).stdout",
      "await box.$`id`.text()",
      "({ ...box })",
      "await $`date`.text()",
    ];
    for (const expression of reading) {
      const { stderr, stdout } = await run(
        `const box = await gpu.start(); try { ${expression}; } catch {} await gpu.start({ hours: 5, pricePerHour: 1 });`,
        ["--dry-run"],
      );
      expect(stderr).toMatch(/the plan ends here, at most \$0\.00: .* is known only when it runs/);
      expect(stdout).not.toContain("$5.00");
    }
    expect(bench.events).toEqual([]);
  });
});

describe("secrets", () => {
  test("are in no line, no log and no log file", async () => {
    const { name } = await run(
      `
      const key = await secrets.get("DEPLOY_KEY");
      console.log("the recipe says", key);
      await $\`echo a step says $TOKEN\`.env({ TOKEN: key });
      await step("with it", () => key).catch((error) => console.error(error.message));
      throw new Error("no luck with " + key);`,
      ["--log-file", "steps.log"],
      "$, step, secrets",
    );
    process.env.DEPLOY_KEY = "hunter2-hunter2";
    const { stderr } = await rerun(name, ["--log-file", "steps.log"]);
    delete process.env.DEPLOY_KEY;
    expect(stderr).toContain("a step says ********");
    expect(stderr).toContain("returned a secret");
    const files = readdirSync(join(bench.folder, ".state/runs")).map((file) => join(bench.folder, ".state/runs", file));
    for (const file of [...files, join(bench.folder, "steps.log")]) {
      expect(readFileSync(file, "utf8")).not.toContain("hunter2");
    }
    expect(stderr).not.toContain("hunter2");
  });

  test("nor are parameters whose names say what they are", async () => {
    bench.write({
      "r-secret.ts": `import { recipe, z } from "gpu";
export default recipe({
  summary: "Say",
  input: z.object({ apiKey: z.string().optional().meta({ description: "key" }), name: z.string().default("x").meta({ description: "n" }) }),
  run() {},
});`,
    });
    await bench.run(["run", "--no-check", "r-secret.ts", "--api-key", "hunter2-hunter2"]);
    expect(events()[0]).toMatchObject({ kind: "started", input: { apiKey: "********", name: "x" } });
  });
});
