// The commands on the CI server of an instance that is stopped meanwhile: on local machines, with real processes.
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Home } from "../binary/compiled.ts";

// Far less than the ten minutes for which a server that is away is waited for.
setDefaultTimeout(60_000);

const fromSources = { through: [process.execPath], file: join(import.meta.dir, "../../src/main.ts") };
const env = { PATH: process.env.PATH ?? "", GPU_LOCAL_BOOT_MS: "0" };
let home: Home;

beforeEach(() => {
  home = new Home();
});
afterEach(() => home[Symbol.asyncDispose]());

const gpu = (...argv: string[]) => home.start(argv, { ...fromSources, env });

test("every command that follows a job ends when its instance is stopped, and says so", async () => {
  home.write("project/gpu-ci.yaml", "test: echo up; exec sleep 605\n");
  expect((await gpu("start", "--name", "box", "--hours", "0.5").ended()).code).toBe(0);
  const submitted = gpu("ci", "submit", "test", "--dir", "project", "--instance", "box");
  await submitted.printed("up\n");
  const [, id = ""] = /([0-9a-f-]{36})/.exec((await gpu("ci", "list", "--instance", "box").ended()).stdout) ?? [];
  const following = [
    submitted,
    gpu("ci", "wait", id, "--all", "--instance", "box"),
    gpu("ci", "watch", id, "--all", "--instance", "box"),
  ];
  await Promise.all(following.map((each) => each.printed("up\n")));
  const watching = gpu("ci", "watch", "--instance", "box");
  await watching.printed("running\n");
  expect((await gpu("stop", "box", "--yes").ended()).code).toBe(0);
  for (const each of [...following, watching]) {
    const { code, stderr } = await each.ended();
    expect(stderr).toContain("was stopped");
    expect(code).toBe(1);
  }
});
