import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runApp } from "../../src/app.ts";
import type { Context } from "../../src/command.ts";
import { commands } from "../../src/commands.ts";
import { InterruptedError } from "../../src/errors.ts";
import { outside } from "../../src/outside.ts";
import { type RehearsalOptions, rehearse } from "../../src/recipe/rehearse/rehearse.ts";
import { openJournal } from "../../src/rent/journal.ts";
import type { World } from "../../src/world.ts";
import { fakeTerminal } from "../fake/terminal.ts";

let folder: string;
let count = 0;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gpu-try-")));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A user's world, with keys and a configuration that must not be used. */
function userWorld(env: Record<string, string> = {}) {
  const terminal = fakeTerminal();
  const world: World = {
    ...outside(process, { onClosedPipe() {} }),
    hearSignals: undefined,
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    cwd: folder,
    home: folder,
    folders: { config: join(folder, "config"), state: join(folder, "state"), cache: join(folder, "cache") },
    self: [process.execPath, join(import.meta.dir, "../../src/main.ts")],
    terminal,
  };
  return { world, terminal };
}

/** Runs a recipe of that body as `gpu run`, in the same process. */
async function run(body: string, flags: readonly string[], env: Record<string, string> = {}) {
  // A process imports a file once.
  const name = `r${++count}.ts`;
  writeFileSync(
    join(folder, name),
    `import { gpu, parallel, recipe } from "gpu";\nexport default recipe({ summary: "Try", async run() {\n${body}\n} });\n`,
  );
  const { world, terminal } = userWorld(env);
  const signal = new AbortController().signal;
  const argv = ["run", "--no-check", ...flags, name];
  const exitCode = await runApp(argv, { world, signal, version: "0.0.0", entries: commands });
  const said = terminal.takeLines().map((line) => line.replace(/^2\| ?/, "")).join("\n");
  return { exitCode, said, result: terminal.takeStdout(), world };
}

/** A rehearsal whose context is used directly, as no recipe could. */
async function inRehearsal<T>(
  options: RehearsalOptions,
  work: (context: Context) => Promise<T>,
  signal = new AbortController().signal,
) {
  const { world, terminal } = userWorld();
  let report: Awaited<ReturnType<Awaited<ReturnType<typeof rehearse>>["end"]>> | undefined;
  const entry = {
    ...{ name: "trial", summary: "Try", effect: "write" } as const,
    load: async () => {
      const { defineCommand } = await import("../../src/command.ts");
      const { z } = await import("zod");
      return defineCommand({
        ...{ name: "trial", summary: "Try", effect: "write", input: z.object({}), output: z.null() },
        async run(_, context) {
          const rehearsal = await rehearse(context, options);
          try {
            await work(rehearsal.context);
          } finally {
            report = await rehearsal.end();
          }
          return null;
        },
        view: () => undefined,
      });
    },
  };
  await runApp(["trial"], {
    world,
    signal,
    version: "0.0.0",
    entries: [...commands, entry],
  });
  return { report, said: terminal.takeLines().join("\n") };
}

const rentTwo = `
  const names = await parallel([1, 2], async () => {
    await using box = await gpu.start({ hours: 0.25 });
    return await box.exec("echo $((20 + 22))").text();
  });
  return names;`;

describe("--emulate lambda", () => {
  test("the recipe rents on a cloud of its own; the user's key, address and journal are not touched", async () => {
    const asked: string[] = [];
    await using server = Bun.serve({
      port: 0,
      fetch(request) {
        asked.push(new URL(request.url).pathname);
        return Response.json({ data: [] });
      },
    });
    mkdirSync(join(folder, "config"));
    writeFileSync(
      join(folder, "config/config.yaml"),
      `providers: { lambda: { url: "http://127.0.0.1:${server.port}" } }\n`,
    );
    const { exitCode, said, result, world } = await run(rentTwo, ["--emulate", "lambda", "--budget", "5"], {
      LAMBDA_API_KEY: "the-real-one",
      LAMBDA_API_URL: `http://127.0.0.1:${server.port}`,
    });
    expect({ exitCode, asked }).toEqual({ exitCode: 0, asked: [] });
    expect(JSON.parse(result)).toEqual(["42", "42"]);
    expect(said).toContain("rehearsal on an emulated lambda: nothing costs anything");
    expect(said).toContain("rehearsal: 2 instances rented, would have cost less than $0.01, 0 left behind");
    expect(said).not.toContain("the-real-one");
    using journal = await openJournal(world);
    expect(journal.launches()).toEqual([]);
    expect(readdirSync(join(world.folders.state, "try"))).toEqual([]);
  }, 30_000);

  test("a preset breaks the cloud", async () => {
    const { exitCode, said } = await run(
      `await gpu.start({ hours: 0.25 });`,
      ["--emulate", "lambda", "--faults", "late-listing", "--seed", "3", "--budget", "5"],
    );
    expect(said).toContain("0 left behind");
    expect(said).toContain("instance listed late (seed 3)");
    expect(exitCode).toBe(0);
  }, 60_000);

  test("what `keep()` keeps is told, and ended with the rehearsal", async () => {
    const { exitCode, said } = await run(
      `await using box = await gpu.start({ hours: 0.25 }); await box.keep({ hours: 0.5, why: "to look at it" });`,
      ["--emulate", "lambda", "--budget", "5"],
    );
    expect(exitCode).toBe(0);
    expect(said).toMatch(/0 left behind\n {2}kept until .* \(to look at it\); the rehearsal ended it/);
  }, 30_000);

  test("another computer is not reached", async () => {
    const { report } = await inRehearsal({ emulate: "lambda" }, async ({ world }) => {
      await expect(world.fetch("https://cloud.lambda.ai/api/v1/instances")).rejects.toThrow(
        "nothing but this computer",
      );
      await expect(world.dial({ host: "192.0.2.1", port: 22 })).rejects.toThrow("nothing but this computer");
    });
    expect(report).toMatchObject({ left: [], exitCode: undefined });
  });

  test("an instance that nobody knows of is said to be left, as the bug that it would be", async () => {
    let looks = 0;
    const { report, said } = await inRehearsal({ emulate: "lambda", bootMs: 0 }, async ({ world }) => {
      const ask = async (path: string, body: object) =>
        await world.fetch(`${world.env.LAMBDA_API_URL}/api/v1${path}`, {
          method: "POST",
          headers: { "authorization": `Bearer ${world.env.LAMBDA_API_KEY}`, "content-type": "application/json" },
          body: JSON.stringify(body),
        });
      const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFcEpJVdjbnhEXHkUxqZbCWBTLmSsTEN6uQ0Cj7Fc6tn";
      await ask("/ssh-keys", { name: "k", public_key: key });
      await ask("/instance-operations/launch", {
        ...{ region_name: "us-west-1", instance_type_name: "gpu_1x_a10", ssh_key_names: ["k"] },
      });
      // Nobody waits half a minute for it here.
      Object.assign(world, { clock: { ...world.clock, now: () => Date.now() + 60_000 * looks++ } });
    });
    expect(report).toMatchObject({ exitCode: 3 });
    expect(report?.left).toHaveLength(1);
    expect(said).toContain("1 left behind");
    expect(said).toContain("this is a bug of gpu, not of the recipe");
  }, 60_000);
});

describe("--chaos", () => {
  test.each([["local", 1], ["local", 2], ["local", 3], ["lambda", 2], ["lambda", 4]])(
    "%s, seed %d: whatever breaks, nothing is left",
    async (cloud, seed) => {
      const flags = ["--chaos", "20", "--seed", `${seed}`, "--budget", "5"];
      const { exitCode, said } = await run(rentTwo, [...flags, ...(cloud === "lambda" ? ["--emulate", "lambda"] : [])]);
      expect(said).toContain("0 left behind");
      expect(said).toContain(`(seed ${seed})`);
      expect([0, 1]).toContain(exitCode);
      expect(existsSync(join(folder, "state/local"))).toBe(false);
    },
    60_000,
  );

  test("nothing breaks any more once somebody ends it", async () => {
    const ending = new AbortController();
    const { report } = await inRehearsal({ emulate: "lambda", chaos: 100, seed: 1 }, async (context) => {
      ending.abort(new InterruptedError("SIGINT"));
      const cloud = await context.provider("lambda");
      for (let asked = 0; asked < 5; asked++) expect(await cloud.list()).toEqual([]);
    }, ending.signal);
    expect(report?.broke).toEqual({});
  });

  test("a launch that was never answered is looked for as long as the emulated cloud may hide it", async () => {
    const settleMs = async (options: RehearsalOptions) => {
      let found = 0;
      await inRehearsal(options, async (context) => {
        found = (await context.provider("lambda")).facts.settleMs;
      });
      return found;
    };
    expect(await settleMs({ emulate: "lambda", chaos: 20 })).toBe(5500);
    writeFileSync(join(folder, "late.json"), `{ "listedLate": 1, "listedLateMs": 30000 }`);
    expect(await settleMs({ emulate: "lambda", faults: ["late.json"] })).toBe(34_000);
  });

  test("is refused where it would break what costs money, and where its number is none", async () => {
    const said = async (...flags: string[]) => (await run("", flags)).said.split("\n")[0];
    expect(await said("--chaos", "20", "--provider", "lambda")).toContain("does not break what is rented on `lambda`");
    expect(await said("--emulate", "lambda", "--provider", "local")).toContain("contradict each other");
    expect(await said("--faults", "flaky")).toContain("`--faults` says what goes wrong in an emulated cloud");
    expect(await said("--chaos", "101")).toContain("--chaos");
  });
});

test("what a rehearsal that was killed has left is cleared away by the next one", async () => {
  const { world } = userWorld();
  const root = join(world.folders.state, "try", "0badcafe");
  mkdirSync(join(root, "gpu"), { recursive: true });
  writeFileSync(join(root, "lock"), "");
  const old = new Date(Date.now() - 10 * 60_000);
  (await import("node:fs")).utimesSync(root, old, old);
  await inRehearsal({}, async () => {});
  expect(readdirSync(join(world.folders.state, "try"))).toEqual([]);
});
