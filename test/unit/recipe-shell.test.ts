import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { quoteTemplate, type ShellValue } from "../../src/recipe/quote.ts";
import { type Bench, openBench } from "./recipe-fixture.ts";

let bench: Bench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench[Symbol.dispose]());

const quoted = (strings: TemplateStringsArray, ...values: ShellValue[]) => quoteTemplate(strings, values);
/** For what the types refuse, and JavaScript does not. */
const anything = (value: unknown) => value as ShellValue;

describe("values in a shell command", () => {
  test("are one word each, a list one word for each item", () => {
    expect(quoted`echo ${"plain-1.0"} ${"two words"} ${"it's"} ${""} ${3} ${true}`).toBe(
      `echo plain-1.0 'two words' 'it'\\''s' '' 3 true`,
    );
    expect(quoted`rm ${["a b", "c"]} ${[]}`).toBe("rm 'a b' c ");
    expect(quoted`echo ${"$(touch hacked) `x` ; rm -rf /\n"}`).toBe("echo '$(touch hacked) `x` ; rm -rf /\n'");
    expect(quoted`cp --to=${"a b"}/x`).toBe("cp --to='a b'/x");
  });

  test("that have no meaning as a word are refused", () => {
    for (const value of [undefined, null, {}, [["a"]], () => 1, "nul\0"]) {
      expect(() => quoted`echo ${anything(value)}`).toThrow("cannot stand");
    }
  });

  test("inside quotes are refused: they would end them", () => {
    expect(() => quoted`echo "${"x"}"`).toThrow("inside quotes");
    expect(() => quoted`echo 'a ${"x"}'`).toThrow("inside quotes");
    expect(quoted`echo "a" \\" ${"x"} # don't`).toBe(`echo "a" \\" x # don't`);
  });
});

async function run(code: string, options?: { signal?: AbortSignal }) {
  bench.write({
    "r.ts":
      `import { $, gpu, recipe } from "gpu";\nexport default recipe({ summary: "A test", async run() {\n${code}\n} });`,
  });
  return await bench.run(["run", "--no-check", "r.ts"], options);
}

describe("$", () => {
  test("gives text, lines, JSON and exit codes, and shows what is not read", async () => {
    const { stdout, stderr } = await run(`
      await $\`echo shown\`;
      await $\`echo hidden\`.quiet();
      const name = "a b";
      return [await $\`printf '%s\\\\n' \${name} c\`.lines(), await $\`echo '{"a":1}'\`.json(), (await $\`exit 3\`.nothrow()).exitCode];`);
    expect(stderr).toContain("echo shown | shown\n");
    expect(stderr).not.toContain("hidden");
    expect(JSON.parse(stdout)).toEqual([["a b", "c"], { a: 1 }, 3]);
  });

  test("throws when a command fails, with its last words and the line", async () => {
    const { stderr, exitCode } = await run("await $`echo broken >&2; exit 7`.quiet();");
    expect(stderr).toContain("error: `echo broken >&2; exit 7` exited with 7:\nbroken\n    at r.ts:3:");
    expect(exitCode).toBe(1);
  });

  test("starts nothing before it is awaited", async () => {
    await run("const later = $`touch made`; return 1;");
    expect(existsSync(join(bench.folder, "made"))).toBe(false);
  });

  test("a timeout ends the command and what it started", async () => {
    const { stderr } = await run("await $`sleep 100 & echo $! > pid; wait`.timeout(200);");
    expect(stderr).toContain("took longer than 0.2 s");
    await expectGone();
  });

  test("Ctrl-C ends the command and what it started", async () => {
    const { InterruptedError } = await import("../../src/errors.ts");
    const ending = new AbortController();
    const running = run("await $`sleep 100 & echo $! > pid; wait`;", { signal: ending.signal });
    // The shell makes the file before it writes into it.
    while (!existsSync(join(bench.folder, "pid")) || Bun.file(join(bench.folder, "pid")).size === 0) await Bun.sleep(5);
    ending.abort(new InterruptedError());
    expect((await running).exitCode).toBe(130);
    await expectGone();
  });

  test("of an instance runs there", async () => {
    const { stdout } = await run(
      "await using box = await gpu.start(); return [await box.$`echo ${'a b'}`.text(), (await box.exec('false').quiet().nothrow()).exitCode];",
    );
    expect(JSON.parse(stdout)).toEqual(["i-1 did echo 'a b'", 1]);
    expect(bench.events).toEqual(["start i-1", "i-1$ echo 'a b'", "i-1$ false", "stop i-1"]);
  });
});

describe("what nobody awaits fails the run, with its line", () => {
  test.each([
    ["void $`echo 1`.pipe($`cat`);", "nobody waited for `$`"],
    ["void $`echo 1`.text();", "nobody waited for `$.text`"],
    ["void poll(() => true);", "nobody waited for `poll`"],
    ["void sleep('1h');", "nobody waited for `sleep`"],
    ["void retry(() => 1);", "nobody waited for `retry`"],
    ["void parallel([1], () => 1);", "nobody waited for `parallel`"],
    ["void notify('done');", "nobody waited for `notify`"],
    ["void secrets.find('HF_TOKEN');", "nobody waited for `secrets.find`"],
  ])("%s", async (code, message) => {
    bench.write({
      "r.ts":
        `import { $, notify, parallel, poll, retry, secrets, sleep } from "gpu";\nexport default async () => {\n${code}\n};`,
    });
    const { exitCode, stderr } = await bench.run(["run", "--no-check", "r.ts"]);
    expect(stderr).toContain(`error: ${message}`);
    expect(stderr).toContain("    at r.ts:3:");
    expect(exitCode).toBe(1);
  });
});

test("all of which nobody awaits are named, each with its line", async () => {
  bench.write({
    "r.ts": `import { $, sleep } from "gpu";\nvoid $\`echo 1\`.text();\nvoid sleep("1h");\nvoid sleep("2h");\n`,
  });
  const { stderr } = await bench.run(["run", "--no-check", "r.ts"]);
  expect(stderr).toContain("error: nobody waited for `$.text`, nor for `sleep`\n    at r.ts:2:");
  expect(stderr).toMatch(/at r\.ts:2:\d+\n {4}at r\.ts:3:\d+\n {4}at r\.ts:4:\d+\n/);
  expect(stderr).toContain("hint: put `await` before each of them");
});

test("a command that is read is shown when it takes a while, and what it prints is not", async () => {
  bench.write({
    "r.ts": `import { $ } from "gpu";
await $\`echo quick\`.text();
await $\`echo bad; exit 3\`.text().catch(() => {});
await $\`sleep 1.2; echo slow\`.text();
await $\`sleep 1.2; echo quiet\`.quiet().text();
`,
  });
  const { stdout, stderr } = await bench.run(["run", "--no-check", "r.ts"]);
  expect(stderr).toMatch(/^\d\d:\d\d:\d\d sleep 1\.2; echo slow · 1\.\d s$/);
  expect(stdout).toBe("");
});

test("functions in other files belong to the run, and to the part of it that calls them", async () => {
  bench.write({
    "helper.ts": `import { $, sleep } from "gpu";
      export const build = async (name: string) => {
        if (name === "bad") throw new Error("bad");
        await sleep("1h").catch((error) => $\`echo \${name}: \${error.message}\`.text().catch(() => {}));
        throw new Error("not reached by " + name);
      };`,
    "r.ts": `import { parallel } from "gpu";
      import { build } from "./helper.ts";
      export default async () => { await parallel(["a", "b", "bad"], build); };`,
  });
  const { stderr, exitCode } = await bench.run(["run", "--no-check", "r.ts"]);
  expect(stderr).toContain("error: bad\n    at helper.ts:3:");
  expect(exitCode).toBe(1);
});

test("a secret is stars in all that a run prints: live, in its error, in its result", async () => {
  const env = { ...bench.world.env, HF_TOKEN: "hf_0123456789" };
  Object.assign(bench.world, { env });
  const recipe = (end: string) =>
    `import { $, log, secrets } from "gpu";
     export default async () => {
       const token = await secrets.get("HF_TOKEN");
       log.info("log", token);
       await $\`printf 'cut %.6s' "$T"; sleep 0.05; printf '%s\\n' "$T" | cut -c 7-\`.env({ T: token });
       ${end}
     };`;
  const runs = ["return { token };", "throw new Error('with ' + token);", "await $`cat; exit 3`.stdin(token).quiet();"];
  for (const end of runs) {
    bench.write({ "r.ts": recipe(end) });
    const { stdout, stderr } = await bench.run(["run", "--no-check", "r.ts"]);
    expect(stdout + stderr).not.toContain("0123456789");
    expect(stderr).toContain("cut ********");
    expect(stdout + stderr).toContain("log ********");
  }
});

/** The sleeper's id was written down; it is dead, or a zombie that waits for init. */
async function expectGone(): Promise<void> {
  const pid = Number(await Bun.file(join(bench.folder, "pid")).text());
  expect(pid).toBeGreaterThan(1);
  expect(["gone", "Z"]).toContain(await stateOf(pid));
}

/** The letter that the system has for the state of a process. */
async function stateOf(pid: number): Promise<string> {
  if (existsSync("/proc/self/stat")) {
    const stat = Bun.file(`/proc/${pid}/stat`);
    return await stat.text().then((text) => text.slice(text.lastIndexOf(")") + 2)[0] ?? "gone", () => "gone");
  }
  const child = Bun.spawn(["ps", "-o", "stat=", "-p", String(pid)], { stdout: "pipe", stderr: "inherit" });
  return (await new Response(child.stdout).text()).trim()[0] ?? "gone";
}
