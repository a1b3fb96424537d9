import { expect, setDefaultTimeout, test } from "bun:test";
import { runApp } from "../../src/app.ts";
import { LoginError } from "../../src/errors.ts";
import { fakeWorld } from "../fake/world.ts";

// Whole commands run, and a busy computer takes its time.
setDefaultTimeout(20_000);

test("a stop whose key is refused is shouted about, now and by the next command, until it works", async () => {
  await using fake = await fakeWorld();
  const gpu = async (line: string) => {
    const terminal = fake.openTerminal({ isTTY: false });
    const exitCode = await runApp(line.split(" "), {
      world: { ...fake.world, terminal },
      registry: fake.registry,
      signal: new AbortController().signal,
      version: "0.0.0",
    });
    return { exitCode, text: terminal.takeLines().join("\n") };
  };
  const { cloud } = fake;
  Object.assign(cloud, { account: () => Promise.resolve("acme") });
  await gpu("start --provider cloud --type gpu_1x_a10 --yes --hours 1 --name box");
  const { list } = cloud;
  const refuse = () => Promise.reject(new LoginError("cannot list the instances: the API key is not accepted (401)"));
  Object.assign(cloud, { account: refuse, list: refuse });
  const refused = await gpu("stop box --yes");
  expect(refused.exitCode).toBe(4);
  expect(refused.text).toContain("STILL RUNNING: i-1 (box), gpu_1x_a10 from cloud, $0.75/h, could not be stopped");
  expect((await gpu("status")).text).toContain("STILL RUNNING: i-1 (box)");
  Object.assign(cloud, { account: () => Promise.resolve("acme"), list });
  expect(await gpu("stop box --yes")).toMatchObject({ exitCode: 0 });
  expect((await gpu("status")).text).not.toContain("STILL RUNNING");
  const { text } = await gpu("log --json");
  const kinds = [...text.matchAll(/"kind": ?"([^"]+)"/g)].map(([, kind]) => kind);
  expect(kinds.lastIndexOf("stopped")).toBeGreaterThan(kinds.lastIndexOf("stop-failed"));
});
