import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/toolchain.ts";
import { executable, Home, useCompiled } from "./compiled.ts";
import project from "../../package.json" with { type: "json" };

useCompiled();

test("the version, and nothing written for it", async () => {
  await using home = new Home();
  expect(await home.run(["--version"])).toEqual({
    code: 0,
    signal: null,
    stdout: `gpu ${project.version}\n`,
    stderr: "",
  });
  expect(existsSync(home.stateFolder)).toBe(false);
});

test.skipIf(!existsSync("/dev/full"))(
  "a version that nobody can read is an error where the disk is full, and none where the reader has gone",
  () => {
    const version = (line: string) =>
      Bun.spawnSync(["bash", "-c", line], { env: { PATH: Bun.env.PATH, GPU: executable } });
    const { exitCode, stderr } = version('"$GPU" --version > /dev/full');
    expect({ exitCode, stderr: stderr.toString() }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("cannot write the output"),
    });
    expect(version('"$GPU" --version | true; exit "${PIPESTATUS[0]}"').exitCode).toBe(0);
  },
);

test("--help names the everyday commands", async () => {
  await using home = new Home();
  const { code, stdout, stderr } = await home.run(["--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const word of ["start", "stop", "status", "exec", "run", "tunnel"]) expect(stdout).toContain(word);
});

test("start, status, exec, stop", async () => {
  await using home = new Home();
  const started = await home.run(["start", "--json"]);
  expect(started.code).toBe(0);
  const { id } = JSON.parse(started.stdout);

  const status = await home.run(["status", "--json"]);
  expect(JSON.parse(status.stdout)).toMatchObject([{ id }]);

  const executed = await home.run(["exec", id, "--", "sh", "-c", "echo out; echo err >&2; exit 42"]);
  expect(executed).toEqual({ code: 42, signal: null, stdout: "out\n", stderr: "err\n" });

  expect((await home.run(["stop", id])).code).toBe(0);
  await home.expectNothingLeft();
});

const recipes = readdirSync(join(root, "recipes")).filter((name) => /^[a-z-]+\.ts$/.test(name));

test("there are recipes", () => expect(recipes.length).toBeGreaterThan(2));

test.each(recipes)("recipes/%s type-checks, and says what it does and takes", async (name) => {
  await using home = new Home();
  const { code, stdout, stderr } = await home.run(["run", join(root, "recipes", name), "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^[A-Z].*\.\n\nUsage: gpu run /);
});

test.each(["hello.ts", "test-on-gpu.ts"])("recipes/%s where there is next to nothing on PATH", async (name) => {
  await using home = new Home();
  home.write("gpu-ci.yaml", "test: echo the tests of a project\n");
  const { code, stdout, stderr } = await home.run(["run", join(root, "recipes", name)]);
  expect({ code, stderr: code === 0 ? "" : stderr + stdout }).toEqual({ code: 0, stderr: "" });
  if (name === "test-on-gpu.ts") expect(stdout).toContain("the tests of a project\n");
  await home.expectNothingLeft();
});

test("a job that fails makes the recipe fail", async () => {
  await using home = new Home();
  home.write("gpu-ci.yaml", "test: echo broken; exit 3\n");
  const { code, stdout } = await home.run(["run", join(root, "recipes/test-on-gpu.ts")]);
  expect({ code, isShown: stdout.includes("broken\n") }).toEqual({ code: 1, isShown: true });
});

test("a recipe's own help", async () => {
  await using home = new Home();
  const { code, stdout } = await home.run(["run", join(root, "recipes/test-on-gpu.ts"), "--help"]);
  expect(code).toBe(0);
  for (const flag of ["--dir", "--type", "--hours"]) expect(stdout).toContain(flag);
});

test.each(["", "cache"])(
  "XDG_CACHE_HOME=%p: nothing is kept in the current folder, or read from there",
  async (value) => {
    await using home = new Home();
    // Bun keeps what it made of a module that is larger than this.
    const remarks = "// Nothing happens here.\n".repeat(4000);
    home.write("large.ts", `export default () => console.log("done");\n${remarks}`);
    const { code, stdout } = await home.run(["run", "--no-check", "large.ts"], { env: { XDG_CACHE_HOME: value } });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "done\n" });
    expect(readdirSync(home.work)).toEqual(["large.ts"]);
  },
);
