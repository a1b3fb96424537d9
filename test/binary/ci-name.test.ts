import { expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { FakeCiServer } from "../fake/ci-server.ts";
import { executable, Home, useCompiled } from "./compiled.ts";

useCompiled();

/** The executable under another name. */
function linked(home: Home, name: string): string {
  const path = join(home.path, name);
  symlinkSync(executable, path);
  return path;
}

test("called `ci` it is `gpu ci`, help and Tab included", async () => {
  await using home = new Home();
  const file = linked(home, "ci");
  const run = (...argv: string[]) => home.run(argv, { file });
  const same = async (given: string[], words: string[]) => {
    const { code, stdout, stderr } = await run(...given);
    expect({ code, stdout, stderr }).toEqual(
      await home.run(words).then(({ code, stdout, stderr }) => ({ code, stdout, stderr })),
    );
  };
  await same(["--help"], ["ci", "--help"]);
  await same(["help", "list"], ["ci", "list", "--help"]);
  await same(["submit", "test", "--help"], ["ci", "submit", "test", "--help"]);
  await same(["version"], ["version"]);
  await same(["complete", "--", "li"], ["complete", "--", "ci", "li"]);
  await same(["list", "--nonsense"], ["ci", "list", "--nonsense"]);
  await same(["list"], ["ci", "list"]);
});

test("called `gpu-session` it is `gpu`", async () => {
  await using home = new Home();
  const file = linked(home, "gpu-session");
  expect(await home.run(["status", "--json"], { file })).toMatchObject({ code: 0, stdout: "[]\n" });
  expect((await home.run(["ci", "list"], { file })).code).toBe(1);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s ends a `ci` command with 130, the job goes on",
  async (signal) => {
    await using home = new Home();
    await using server = await FakeCiServer.start();
    const id = server.add({ status: "running", success: null, isLive: true, lines: ["up\n"] });
    const gpu = home.start(["ci", "wait", id, "--server", server.url], { env: { CI_API_KEY: server.key } });
    while (!server.requests.includes(`GET /jobs/${id}/stream`)) await Bun.sleep(5);
    gpu.kill(signal);
    const { code, stderr } = await gpu.ended();
    expect(code).toBe(130);
    expect(stderr).toContain(`job ${id} goes on`);
    expect(stderr).toContain(`gpu ci wait ${id} --server ${server.url}`);
    expect(server.jobs.get(id)?.status).toBe("running");
  },
);
