import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { processesOf } from "../../scripts/traces.ts";
import { Home, useCompiled } from "./compiled.ts";

useCompiled();

async function start(home: Home, ...names: readonly string[]): Promise<void> {
  const started = await Promise.all(names.map((name) => home.run(["start", "--name", name])));
  expect(started.map(({ code, stderr }) => code === 0 ? "" : stderr)).toEqual(names.map(() => ""));
}

async function namesOf(home: Home): Promise<string[]> {
  const { stdout } = await home.run(["status", "--json"]);
  return JSON.parse(stdout).map(({ name }: { name: string }) => name).toSorted();
}

describe("gpu stop of several", () => {
  test("where one does not exist: says which, and stops none", async () => {
    await using home = new Home();
    await start(home, "a", "c");
    const { code, stderr } = await home.run(["stop", "a", "b", "c"]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("`b`") });
    expect(await namesOf(home)).toEqual(["a", "c"]);
  });

  test("where one will not end: ends the others, says so of each, and exits with 1", async () => {
    await using home = new Home();
    using lambda = stubbornLambda();
    const env = { LAMBDA_API_KEY: "key", LAMBDA_API_URL: lambda.url.origin };
    writeConfig(home, `profiles: { default: { provider: local } }\nproviders: { lambda: {} }\n`);
    await start(home, "a", "c");
    const { code, stdout, stderr } = await home.run(["stop", "a", "b", "c", "--yes"], { env });
    const printed = stdout + stderr;
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("not this one") });
    for (const name of ["a", "c"]) expect(printed).toMatch(new RegExp(`i-\\w+( \\(${name}\\))? is stopped`));
    expect(printed).not.toMatch(/^b is stopped/m);
    await home.expectNothingLeft();
  });
});

describe("gpu stop with a configuration that cannot be read", () => {
  test.each([
    ["broken YAML", "profile: [\n"],
    ["a wrong value", "defaults: { hours: many }\n"],
    ["an unknown provider", "profile: default\nprofiles: { default: { provider: nowhere } }\n"],
  ])("%s: stops all the same, and says what is wrong", async (_, text) => {
    await using home = new Home();
    await start(home, "a", "b");
    const config = writeConfig(home, text);
    const one = await home.run(["stop", "a"]);
    expect({ code: one.code, stderr: one.code === 0 ? "" : one.stderr }).toEqual({ code: 0, stderr: "" });
    expect(one.stderr).toMatch(/config\.yaml|nowhere/);
    const all = await home.run(["stop", "--all", "--yes"]);
    expect({ code: all.code, stderr: all.code === 0 ? "" : all.stderr }).toEqual({ code: 0, stderr: "" });
    writeFileSync(config, "");
    await home.expectNothingLeft();
  });
});

function writeConfig(home: Home, text: string): string {
  const path = join(home.configFolder, "config.yaml");
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** A Lambda Cloud with one machine, `b`, that it does not end. */
function stubbornLambda() {
  const instance = {
    id: "0920582c7ff041399e34823a0be62549",
    name: "b",
    ip: "198.51.100.2",
    status: "active",
    region: { name: "us-west-1", description: "California" },
    instance_type: {
      name: "gpu_1x_a10",
      description: "1x A10",
      gpu_description: "A10 (24 GB PCIe)",
      price_cents_per_hour: 75,
      specs: { vcpus: 30, memory_gib: 200, storage_gib: 1400, gpus: 1 },
    },
    actions: { terminate: { available: true } },
    tags: [],
  };
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/api/v1/instances") return Response.json({ data: [instance] });
      if (pathname === `/api/v1/instances/${instance.id}`) return Response.json({ data: instance });
      if (pathname !== "/api/v1/instance-operations/terminate") return Response.json({ data: {} });
      const error = { code: "global/account-inactive", message: "not this one", suggestion: "" };
      return Response.json({ error }, { status: 403 });
    },
  });
}

test("the agent of a local machine ends with it, however that ends", async () => {
  await using home = new Home();
  await start(home, "a");
  const processes = () => processesOf(home.path);
  const find = (words: string) => processes().find(({ command }) => command.includes(words))?.pid;
  const machine = find(":machine");
  expect(find("agent --socket")).toBeDefined();
  process.kill(machine ?? 0, "SIGKILL");
  for (let round = 0; round < 200 && find("agent --socket") !== undefined; round++) await Bun.sleep(20);
  expect(find("agent --socket")).toBeUndefined();
  await home.run(["stop", "--all", "--yes"]);
  await home.expectNothingLeft();
});
