// What a recipe's author gets wrong, and what they are told: nothing is rented before, nothing is left behind after.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { buildTypes } from "../../scripts/types.ts";
import { type Bench, openBench, removeTestCache } from "../unit/recipe-fixture.ts";

let bench: Bench;
beforeAll(async () => void await buildTypes(), 180_000);
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench[Symbol.dispose]());
afterAll(removeTestCache);

const recipe = (body: string) =>
  `import { gpu, recipe, parallel, z } from "gpu";
export default recipe({
  summary: "Go wrong",
  input: z.object({ mode: z.enum(["fast", "slow"]).default("fast") }),
  async run({ mode }) {
    await using box = await gpu.start({ hours: 1 });
    ${body}
  },
});
`;

/** What is refused with its line before anything is rented: the code, the message, the marked line. */
const refused = {
  "a typo in a field": {
    body: "await gpu.start({ huors: 1 });",
    says: /r\.ts:7:\d+: .*'huors' does not exist in type 'StartInput'\. Did you mean to write 'hours'\? \(TS2561\)/,
  },
  "a typo in a function": {
    body: "await gpu.strat();",
    says: /r\.ts:7:\d+: Property 'strat' does not exist.*\(TS2339\)|TS2551/,
  },
  "a wrong literal": {
    body: `if (mode === "medium") return 1;`,
    says: /r\.ts:7:\d+: This comparison appears to be unintentional .*"medium"' have no overlap\. \(TS2367\)/,
  },
  "a wrong unit": {
    body: `await gpu.stop({ instances: box.id });`,
    says: /r\.ts:7:\d+: Type 'string' is not assignable to type 'string\[\]'/,
  },
  "a space in a span of time": {
    body: 'await box.$`true`.timeout("5 m");',
    says:
      /r\.ts:7:\d+: Argument of type '"5 m"' is not assignable to parameter of type 'Duration'\.\n {2}A span is text like "90s"/,
  },
  "a package that is not installed": {
    body: 'await import("asciichart");',
    says: /r\.ts:7:\d+: Cannot find module 'asciichart' .*\n {2}`gpu recipe add asciichart` installs it\. \(TS2307\)/,
  },
  "a missing await, its result used": {
    body: "const { stdout } = box.$`uname`;",
    says: /r\.ts:7:\d+: Property 'stdout' does not exist on type 'ShellCommand/,
  },
  "a missing await of a call, its result used": {
    body: "const state = gpu.instance.get({ instance: box.id }).state;",
    says: /r\.ts:7:\d+: Property 'state' does not exist on type 'Promise<.*\n?.*/,
  },
};

test("a typo in a field of the recipe itself is shown with its line, and nothing else is blamed", async () => {
  bench.write({ "r.ts": recipe("return mode;").replace("summary:", "budgett: 3,\n  summary:") });
  const { stderr } = await bench.run(["run", "r.ts"]);
  expect(stderr).toMatch(/r\.ts:3:3: .*'budgett' does not exist .*Did you mean to write 'budget'\? \(TS2561\)/);
  expect(stderr).not.toContain("overload");
});

for (const [mistake, { body, says }] of Object.entries(refused)) {
  test(`${mistake} is refused before anything is rented, with the line`, async () => {
    bench.write({ "r.ts": recipe(body) });
    const { exitCode, stdout, stderr } = await bench.run(["run", "r.ts"]);
    expect(stderr).toStartWith("error: `r.ts` does not type-check, and nothing of it was run\n");
    expect(stderr).toMatch(says);
    expect(stderr).toContain(`\n  7 |     ${body}\n`);
    expect(stderr).toMatch(/\n {4}\| +\^/);
    expect({ exitCode, stdout, events: bench.events }).toEqual({ exitCode: 1, stdout: "", events: [] });
  });
}

/** What the types cannot see, because nothing of the result is used: the run fails at its end. */
const left = {
  "gpu.start": "gpu.start({ hours: 1 });",
  "box.keep": `box.keep({ hours: 1, why: "to look at it" });`,
  "box.$": "box.$`python3 train.py`;",
  "a call in `parallel`": "parallel([1, 2], () => gpu.start());",
};

for (const [call, body] of Object.entries(left)) {
  test(`${call} without its await fails the run at its end, with the line, and leaves nothing`, async () => {
    bench.write({ "r.ts": recipe(body) });
    const { exitCode, stderr } = await bench.run(["run", "r.ts"]);
    expect(stderr).toMatch(/error: nobody waited for `[^`]+`.*\n +at r\.ts:7:\d+\n/);
    expect(stderr).toContain(`\n  7 |     ${body}\n`);
    expect(stderr).toMatch(/hint: .*await/);
    expect(exitCode).toBe(1);
    const count = (what: string) => bench.events.filter((event) => event.startsWith(what)).length;
    expect(count("stop ")).toBe(count("start "));
  });
}
