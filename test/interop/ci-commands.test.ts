// The same behaviour of the commands on both kinds of server: the existing one with all its quirks, and our own.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runApp } from "../../src/app.ts";
import { InterruptedError } from "../../src/errors.ts";
import { ourStage, plainStage, type Stage } from "../fake/ci-stage.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { type FakeTerminal, fakeTerminal } from "../fake/terminal.ts";

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/;

let home: string;
let project: string;
let stage: Stage;

interface Running {
  readonly terminal: FakeTerminal;
  readonly exitCode: Promise<number>;
  interrupt(): void;
  /** Waits until this was printed, on stdout or stderr. */
  said(text: string): Promise<string>;
}

/** A command line of `gpu ci`. */
function start(
  line: string,
  { isTTY = false, env = {} }: { isTTY?: boolean; env?: Record<string, string> } = {},
): Running {
  const terminal = fakeTerminal({ isTTY });
  const ending = new AbortController();
  const world = ciWorld({
    home,
    cwd: project,
    env: { PATH: process.env.PATH, HOME: home, CI_API_KEY: stage.key, CI_SERVER_URL: stage.url, ...env },
  });
  const exitCode = runApp(["ci", ...line.split(" ")], {
    world: { ...world, terminal },
    signal: ending.signal,
    version: "0.0.0",
  });
  let printed = "";
  return {
    terminal,
    exitCode,
    interrupt: () => ending.abort(new InterruptedError("SIGINT")),
    async said(text) {
      for (let left = 5000; !printed.includes(text); left--) {
        printed += terminal.takeLines().map((line) => `${line}\n`).join("");
        if (left === 0) throw new Error(`\`${text}\` was not said, but ${JSON.stringify(printed)}`);
        await Bun.sleep(1);
      }
      return printed;
    },
  };
}

async function run(line: string, options?: Parameters<typeof start>[1]) {
  const { terminal, exitCode } = start(line, options);
  const code = await exitCode;
  const lines = terminal.takeLines();
  return {
    code,
    stdout: lines.filter((line) => !line.startsWith("2|")),
    stderr: lines.filter((line) => line.startsWith("2|")).map((line) => line.slice(3)).join("\n"),
  };
}

async function submitted(): Promise<string> {
  const { stdout } = await run("submit test --async");
  return uuid.exec(stdout.join("\n"))?.[0] ?? "";
}

describe.each([["the existing server", plainStage], ["our server", () => ourStage(home)]])("%s", (name, open) => {
  const isOurs = name === "our server";

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "ci-commands-"));
    project = join(home, "project");
    await mkdir(project);
    stage = await open();
  });
  afterEach(async () => {
    await stage[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });

  test("submit: the log alone on stdout, the id and how to go on beside it, 0 or 1 at the end", async () => {
    await stage.project(project, { lines: ["one\n", "two\n"], success: true });
    const passed = await run("submit test");
    expect(passed).toMatchObject({ code: 0, stdout: ["one", "two"] });
    expect(passed.stderr).toMatch(
      new RegExp(`^Job ID: ${uuid.source}\nIf this is cut off, \`gpu ci wait ${uuid.source}\` goes on`),
    );
    await stage.project(project, { lines: ["broken\n"], success: false });
    const failed = await run("submit test");
    expect(failed).toMatchObject({ code: 1, stdout: ["broken"] });
    expect(failed.stderr).toContain("The tests failed.");
  });

  test("submit --async: the id alone, in one line that scripts know; wait by the beginning of it", async () => {
    await stage.project(project, { lines: ["later\n"], success: true });
    const { code, stdout, stderr } = await run("submit test --async");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toEqual([expect.stringMatching(new RegExp(`^Job submitted: ${uuid.source}$`))]);
    const id = stdout[0]?.slice("Job submitted: ".length) ?? "";
    expect(await run(`wait ${id.slice(0, 8)} --all`)).toMatchObject({ code: 0, stdout: ["later"] });
    expect((await run("wait nothing --all")).stderr).toContain("there is no job `nothing`");
  });

  test("lines come as they are said; Ctrl-C is 130 and stops the waiting alone", async () => {
    const job = await stage.live(project);
    const submit = start("submit test");
    await job.say("first\n");
    await submit.said("first\n");
    await job.say("second\n");
    const printed = await submit.said("second\n");
    const id = uuid.exec(printed)?.[0] ?? "";
    submit.interrupt();
    expect(await submit.exitCode).toBe(130);
    expect(submit.terminal.takeLines()).toEqual([
      `2| stopped waiting; job ${id} goes on`,
      `2| hint: \`gpu ci wait ${id}\` follows it again`,
    ]);
    const wait = start(`wait ${id} --all`);
    await job.say("third\n");
    await job.end(true);
    expect(await wait.exitCode).toBe(0);
    expect(wait.terminal.takeStdout()).toBe("first\nsecond\nthird\n");
  });

  test("watch: the log, and the states beside it", async () => {
    const job = await stage.live(project);
    const id = await submitted();
    const watch = start(`watch ${id} --all`);
    await watch.said(`2| job ${id}: running`);
    await job.say("line\n");
    await job.end(false);
    expect(await watch.exitCode).toBe(1);
    const lines = watch.terminal.takeLines();
    expect(lines).toContain("line");
    expect(lines).toContain(`2| job ${id}: running → completed ✗`);
  });

  test("list: newest first, five keys for programs, and what is asked for", async () => {
    await stage.project(project, { lines: [], success: true });
    const passed = await submitted();
    await run(`wait ${passed}`);
    await stage.project(project, { lines: [], success: false });
    const failed = await submitted();
    await run(`wait ${failed}`);
    const all = await run("list --json");
    const jobs = JSON.parse(all.stdout.join("\n")) as Record<string, unknown>[];
    expect(jobs.map((job) => job.job_id)).toEqual([failed, passed]);
    for (const job of jobs) expect(Object.keys(job)).toEqual(["job_id", "status", "success", "start_time", "end_time"]);
    expect(all.stdout[1]).toBe("  {");
    const ids = async (line: string) => (await run(line)).stdout.map((row) => row.split("\t")[0]);
    expect(await ids("list --status passed")).toEqual([passed]);
    expect(await ids("list --status failed")).toEqual([failed]);
    expect(await ids("list --status running")).toEqual([]);
    expect(await ids("list --limit 1")).toEqual([failed]);
    expect(await ids("list --since 1h")).toEqual([failed, passed]);
    expect(await ids("list --since 2126-01-01")).toEqual([]);
    expect(await ids(`list ${passed.slice(4, 12)}`)).toEqual([passed]);
    const table = await run("list", { isTTY: true });
    expect(table.stdout[0]).toMatch(/^JOB ID +STATUS +START TIME +END TIME +SUCCESS$/);
    expect(table.stdout[1]).toMatch(
      new RegExp(`^${failed}  completed +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d .* ✗$`),
    );
  });

  test("log: all of it, its end, a file, and of a running job what there is", async () => {
    const lines = Array.from({ length: 50 }, (_, index) => `line ${index}\n`);
    await stage.project(project, { lines, success: false });
    const id = await submitted();
    await run(`wait ${id}`);
    expect(await run(`log ${id}`)).toMatchObject({ code: 0, stderr: "", stdout: lines.map((line) => line.trim()) });
    expect((await run(`log ${id} --tail 2`)).stdout).toEqual(["line 48", "line 49"]);
    expect((await run(`log ${id} --output said.log`)).stderr).toBe(`50 lines are in ${join(project, "said.log")}`);
    expect(await Bun.file(join(project, "said.log")).text()).toBe(lines.join(""));
    expect((await readdir(project)).filter((name) => name.includes("said"))).toEqual(["said.log"]);
    const job = await stage.live(project);
    const running = await submitted();
    await job.say("so far\n");
    const wait = start(`wait ${running} --all`);
    await wait.said("so far\n");
    const soFar = await run(`log ${running}`);
    expect(soFar).toMatchObject({ code: 0, stdout: ["so far"] });
    expect(soFar.stderr).toContain("is running: this is its log so far");
    await job.end(true);
    expect(await wait.exitCode).toBe(0);
  });

  test("what a job says does nothing to the terminal, also where it comes in two pieces", async () => {
    const job = await stage.live(project);
    const submit = start("submit test", { isTTY: true });
    await job.say("\x1b[31mred\x1b[0m\n");
    await submit.said("red");
    await job.say("a\x1b]0;tit", "le\x07b\n", "c\x1b[2", "Jd\n", "\x1b]52;c;aGk=\n", "50%\r100%\r\n");
    await job.end(true);
    expect(await submit.exitCode).toBe(0);
    const shown = submit.terminal.takeStdout();
    expect(shown).toBe("\x1b[31mred\x1b[0m\nab\ncd\n\n50%\n100%\n");
    const [{ job_id: id }] = JSON.parse((await run("list --json")).stdout.join("\n")) as [{ job_id: string }];
    const plain = start(`log ${id} --no-color`);
    await plain.exitCode;
    expect(plain.terminal.takeStdout()).toStartWith("red\nab\n");
    const raw = start(`log ${id} --raw`);
    await raw.exitCode;
    expect(raw.terminal.takeStdout()).toContain("a\x1b]0;title\x07b\n");
  });

  test.each([
    ["list --api-key wrong", {}, "Authentication failed", 1],
    ["list", { CI_API_KEY: "" }, "Authentication failed: API key is required. Set CI_API_KEY environment variable", 1],
    ["wait 00000000-0000-4000-8000-000000000000", {}, "there is no job `00000000-0000-4000-8000-000000000000`", 1],
    ["list --server http://127.0.0.1:1", {}, "nothing answers at http://127.0.0.1:1", 1],
    ["list --nonsense", {}, "--nonsense", 2],
    ["wait", {}, "is missing", 2],
    ["list --server nonsense", {}, "is not the address of a CI server", 2],
  ])("%s %j: says so on stderr", async (line, env, text, code) => {
    const result = await run(line, { env: env as Record<string, string> });
    expect(result).toMatchObject({ code, stdout: [], stderr: expect.stringContaining(text) });
  });

  test("what only one kind of server can do is done, or said to be missing", async () => {
    const job = await stage.live(project);
    const id = await submitted();
    const cancelled = await run(`cancel ${id}`);
    if (isOurs) {
      expect(cancelled).toMatchObject({ code: 0, stdout: [`job ${id} is cancelled`] });
      expect((await run(`cancel ${id}`)).stderr).toContain("was over before: cancelled");
    } else {
      expect(cancelled).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot cancel a job") });
      expect((await run(`artifacts ${id}`)).stderr).toContain("keeps no artifacts");
      const named = await run("submit test --async --name nightly --tag slow");
      expect(named).toMatchObject({ code: 0, stderr: expect.stringContaining("keeps no names") });
      await Bun.write(join(project, "vars"), "TOKEN=secret\n");
      const secret = await run("submit test --env-file vars");
      expect(secret.stderr).not.toContain("secret");
      expect(secret).toMatchObject({ code: 1, stderr: expect.stringContaining("takes no variables") });
      await job.end(true);
    }
  });
});
