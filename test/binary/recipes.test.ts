// Each shipped recipe to its end, and into its failures, with the executable: here and through Lambda Cloud's API.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/toolchain.ts";
import { useCompiled } from "./compiled.ts";
import { closed, freePort, Stage, typeOf, type Where } from "./recipes.ts";

useCompiled();
// Each test is several processes on a computer that may be busy.
setDefaultTimeout(60_000);

test("each recipe is run here", () => {
  const names = readdirSync(join(root, "recipes")).filter((name) => /^[a-z-]+\.ts$/.test(name));
  const text = readFileSync(import.meta.path, "utf8");
  expect(names.filter((name) => !text.includes(`"${name.slice(0, -3)}"`))).toEqual([]);
});

test("hello", async () => {
  await using stage = await Stage.open("local");
  expect(await stage.run("hello", "you")).toMatchObject({ code: 0, stdout: "Hello, you\n" });
});

describe.each(["local", "lambda"] satisfies Where[])("on %s", (where) => {
  const type = typeOf[where];

  test("test-on-gpu runs the tests of a project", async () => {
    await using stage = await Stage.open(where, { hasAgents: true });
    const passed = await stage.run("test-on-gpu", "--dir", "project", "--type", type);
    expect({ code: passed.code, says: passed.code === 0 ? "" : passed.stderr }).toEqual({ code: 0, says: "" });
    expect(passed.stdout).toContain("the tests of a project\n");
    await stage.expectNothingLeft();
  });

  test("train brings the checkpoints home, and ends as the training did", async () => {
    await using stage = await Stage.open(where);
    const { code, stdout, stderr } = await stage.run(
      "train",
      ...["sh train.sh 3", "--dir", "project", "--every", "300ms", "--type", type, "--hours", "0.2"],
    );
    expect({ code, stderr: code === 3 ? "" : stderr }).toEqual({ code: 3, stderr: "" });
    expect(stdout).toBe(
      [1, 2, 3, 4, 5].map((epoch) => `epoch ${epoch}\n`).join("") +
        "the training ended: failed (3); what it saved is in project/checkpoints\n",
    );
    const saved = join(stage.home.work, "project/checkpoints");
    expect(readdirSync(saved).toSorted()).toEqual(["1.pt", "2.pt", "3.pt", "4.pt", "5.pt"]);
    expect(readFileSync(join(saved, "5.pt"), "utf8")).toBe("5\n");
    await stage.expectNothingLeft();
  });

  test("serve-model leaves a server that answers here, until it is stopped", async () => {
    await using stage = await Stage.open(where);
    const { code, stdout, stderr } = await stage.run(
      "serve-model",
      ...["tiny", "--server", stage.server, "--dir", "server", "--type", type],
      ...["--port", String(freePort()), "--hours", "0.2", "--json"],
    );
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const { url, instance } = JSON.parse(stdout);
    expect(await (await fetch(`${url}/models`)).json()).toEqual({ data: [{ id: "tiny" }] });
    expect((await stage.gpu("job", "log", "serve")).stdout).toBe("loading tiny with a token\n");
    // A secret is given to the server, and kept nowhere here.
    expect(stage.findInState(stage.secret)).toEqual([]);
    expect((await stage.gpu("stop", instance, "--yes")).code).toBe(0);
    await closed(`${url}/models`);
    await stage.expectNothingLeft();
  });

  test("matrix-exec says what each machine answered, and what could not be rented", async () => {
    await using stage = await Stage.open(where);
    const { code, stdout } = await stage.run(
      "matrix-exec",
      ...["echo here", "--rent", type, "--rent", type, "--rent", "no-such-type", "--hours", "0.1", "--json"],
    );
    const row = { type, outcome: "ok", says: "here", seconds: expect.any(Number), machine: expect.any(String) };
    expect({ code, ...JSON.parse(stdout) }).toEqual({
      code: 1,
      success: false,
      machines: [row, row, {
        ...{ machine: "-", type: "no-such-type", outcome: "not rented", seconds: 0 },
        says: "there is no instance type `no-such-type`",
      }],
    });
    await stage.expectNothingLeft();
  });
});

describe("sweep", () => {
  test("compares types; one that is sold out is a row", async () => {
    // What is free stays as the seed has it.
    await using stage = await Stage.open("lambda", { faults: { freeShare: 0.3, capacityChangesMs: 1e15 } });
    const offers: { type: string; regions: string[] }[] = JSON.parse((await stage.gpu("available", "--json")).stdout);
    const [sold = ""] = offers.filter(({ regions }) => regions.length === 0).map(({ type }) => type);
    const free = offers.filter(({ regions }) => regions.length > 0).map(({ type }) => type).slice(0, 2);
    expect([sold, ...free].map((type) => type.slice(1, 4))).toEqual(["pu_", "pu_", "pu_"]);

    const types = [sold, ...free].flatMap((type) => ["--type", type]);
    const { code, stdout, stderr } = await stage.run("sweep", "measure.sh", ...types, "--hours", "0.1");
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const rows = stdout.trimEnd().split("\n").map((line) => line.split("\t"));
    expect(rows).toEqual([
      [sold, "not run", "0.0", "", "0.0000", "", `\`${sold}\` is not free right now`],
      ...free.map((type) => [
        ...[type, "ok", expect.stringMatching(/^\d+\.\d$/), expect.stringMatching(/^█/)],
        ...[expect.stringMatching(/^0\.\d{4}$/), expect.stringMatching(/^[▏▎▍▌▋▊▉█]/), "42 tokens/s"],
      ]),
    ]);
    await stage.expectNothingLeft();
  });

  test("a script that fails is a row, and the run has failed", async () => {
    await using stage = await Stage.open("local");
    stage.home.write("measure.sh", "#!/bin/sh\necho out of memory\nexit 9\n");
    const { code, stdout } = await stage.run("sweep", "measure.sh", "--type", "local", "--json");
    expect({ code, ...JSON.parse(stdout) }).toEqual({
      ...{ code: 1, success: false },
      runs: [{ type: "local", outcome: "exit 9", seconds: expect.any(Number), costDollars: 0, says: "out of memory" }],
    });
    await stage.expectNothingLeft();
  });
});

describe("serve-model", () => {
  const serve = async (stage: Stage, server: string) =>
    await stage.run(
      "serve-model",
      ...["tiny", "--server", server, "--type", "local", "--port", String(freePort()), "--patience", "2s"],
    );

  test("gives back when the server ends before it answers, and says its last words", async () => {
    await using stage = await Stage.open("local");
    const { code, stdout, stderr } = await serve(stage, "echo CUDA out of memory; exit 5");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("the job `serve` ended before it was ready: failed (5):\nCUDA out of memory\n");
    await stage.expectNothingLeft();
  });

  test("gives back when nothing answers in time", async () => {
    await using stage = await Stage.open("local");
    const { code, stderr } = await serve(stage, "echo loading; sleep 60");
    expect(code).toBe(1);
    expect(stderr).toMatch(/the job `serve` was not ready after 2 s \(.+\):\nloading\n/);
    await stage.expectNothingLeft();
  });
});

describe("matrix-exec", () => {
  test("an own host that does not answer is a row beside a rented machine", async () => {
    await using stage = await Stage.open("local");
    const host = `nobody@127.0.0.1:${freePort()}`;
    const { code, stdout } = await stage.run("matrix-exec", "echo here", "--on", host, "--rent", "local", "--json");
    const { success, machines } = JSON.parse(stdout);
    expect({ code, success }).toEqual({ code: 1, success: false });
    expect(machines.map(({ type, outcome }: Record<string, string>) => `${type} ${outcome}`).toSorted()).toEqual([
      "local ok",
      "own unreachable",
    ]);
    await stage.expectNothingLeft();
  });

  test("rents nothing when no machine is named", async () => {
    await using stage = await Stage.open("local");
    const { code, stderr } = await stage.run("matrix-exec", "echo here");
    expect({ code, says: stderr.split("\n")[0] }).toEqual({ code: 2, says: "error: no machine is named" });
  });
});
