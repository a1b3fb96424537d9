import { describe, expect, test } from "bun:test";
import { lstat, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Config } from "../../src/config.ts";
import { keysBelow, readKey, showKey } from "../../src/configure/keys.ts";
import { setUp } from "./configure-fixture.ts";

const config = Config.parse({ models: { "qwen2.5": { parametersB: 32 }, qwen2: { parametersB: 7 } } });

describe("a dotted key", () => {
  test.each([
    ["profile", ["profile"]],
    ["defaults.hours", ["defaults", "hours"]],
    ["lease.idle.after", ["lease", "idle", "after"]],
    ["profiles.work.ci.server", ["profiles", "work", "ci", "server"]],
    ["models.qwen2.5.context", ["models", "qwen2.5", "context"]],
    ["models.qwen2.context", ["models", "qwen2", "context"]],
    ['models."llama-3.1".context', ["models", "llama-3.1", "context"]],
    ["notify.team.secret", ["notify", "team", "secret"]],
    ["providers", ["providers"]],
  ])("%s", (text, keys) => {
    expect(readKey(text, config)).toEqual(keys);
    expect(readKey(showKey(keys), Config.parse({}))).toEqual(keys);
  });

  test.each(["", ".", "defaults.", ".hours", "defaults..hours", "hours", "defaults.hours.min", "models.__proto__.x"])(
    "%s is none",
    (text) => expect(() => readKey(text, config)).toThrow(),
  );
});

test("the schema itself says which keys there are", () => {
  expect(keysBelow([])).toEqual(Object.keys(Config.shape));
  expect(keysBelow(["profiles", "work"])).toEqual(["provider", "ci"]);
  expect(keysBelow(["profiles"])).toEqual([]);
});

describe("config set", () => {
  test.each([
    ["defaults.hours 2.5", { defaults: { hours: 2.5 } }],
    ["defaults.type gpu_1x_a10", { defaults: { type: ["gpu_1x_a10"] } }],
    ["defaults.type [gpu_1x_a10,gpu_1x_a100]", { defaults: { type: ["gpu_1x_a10", "gpu_1x_a100"] } }],
    ["profile 42", { profile: "42" }],
    ["profile true", { profile: "true" }],
    ["tunnel.forwards 8000:8000 0:ci", { tunnel: { forwards: ["8000:8000", "0:ci"] } }],
    ["hosts.lab.range node[01-32].lab", { hosts: { lab: { range: "node[01-32].lab" } } }],
  ])("%s", async (words, expected) => {
    await using home = await setUp();
    expect((await home.gpu(`config set ${words}`)).exitCode).toBe(0);
    expect(await home.config()).toMatchObject(expected);
  });

  test("works on a key with nothing behind it, and keeps the other comments", async () => {
    await using home = await setUp();
    await home.write(".config/gpu/config.yaml", "# top\ndefaults:\nbudget: # money\n  day: 5\n");
    expect((await home.gpu("config get budget.day")).stdout).toBe("5\n");
    expect((await home.gpu("config set defaults.hours 2")).exitCode).toBe(0);
    expect((await home.gpu("config set budget.day 6")).exitCode).toBe(0);
    const text = await home.read(".config/gpu/config.yaml");
    expect(text).toContain("# top");
    expect(text).toContain("# money");
    expect(await home.config()).toMatchObject({ defaults: { hours: 2 }, budget: { day: 6 } });
  });

  test("writes through a link, and the link stays one", async () => {
    await using home = await setUp();
    await home.write("dotfiles/gpu.yaml", "profile: work\n");
    const path = join(home.world.folders.config, "config.yaml");
    await mkdir(dirname(path), { recursive: true });
    await symlink(join(home.world.home, "dotfiles/gpu.yaml"), path);
    await home.gpu("config set defaults.hours 2");
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect(await home.read("dotfiles/gpu.yaml")).toBe("profile: work\ndefaults:\n  hours: 2\n");
  });

  test("several at once are all kept", async () => {
    await using home = await setUp();
    await Promise.all(["a", "b", "c", "d"].map((name) => home.gpu(`config set profiles.${name}.provider local`)));
    expect(Object.keys((await home.config()).profiles).toSorted()).toEqual(["a", "b", "c", "d"]);
  });

  test("refuses to go through an alias, and says so", async () => {
    await using home = await setUp();
    await home.write(".config/gpu/config.yaml", "profiles:\n  a: &a { provider: local }\n  b: *a\n");
    const { exitCode, stderr } = await home.gpu("config set profiles.b.provider lambda");
    expect(exitCode).not.toBe(0);
    expect(stderr).not.toContain("bug");
    expect((await home.config()).profiles.a?.provider).toBe("local");
  });

  test("of a file that is broken changes nothing", async () => {
    await using home = await setUp();
    await home.write(".config/gpu/config.yaml", "defaults: {\n");
    const { exitCode, stderr } = await home.gpu("config set defaults.hours 2");
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/config\.yaml:\d+:\d+/)]);
    expect(await home.read(".config/gpu/config.yaml")).toBe("defaults: {\n");
  });
});

describe("config list", () => {
  test("never shows a secret, wherever it comes from", async () => {
    await using home = await setUp({ env: { LAMBDA_API_KEY: "env-s3cret", CI_API_KEY: "ci-s3cret" } });
    await home.write(".config/gpu/config.yaml", "profiles: { work: { ci: { apiKey: yaml-s3cret } } }\n");
    await home.gpu("configure --no-check --status-token token-s3cret");
    for (const words of ["config list", "config list --json", "config get profiles --json", "doctor keychain"]) {
      const { stdout, stderr, exitCode } = await home.gpu(words);
      expect(exitCode).toBe(0);
      expect(stdout + stderr).not.toContain("s3cret");
    }
    const { json } = await home.gpu("config list --json");
    const keys = json().map(({ key }: { key: string }) => key);
    expect(keys).toContain("secret statusDaemon");
    expect(keys).toContain("secret lambda");
    expect(keys).toContain("profiles.work.ci.apiKey");
  });
});
