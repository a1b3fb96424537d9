import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runApp } from "../../src/app.ts";
import { fakeWorld } from "../fake/world.ts";

// Whole commands run, and a busy computer takes its time.
setDefaultTimeout(20_000);

async function gpu(argv: readonly string[], files: Readonly<Record<string, string>> = {}, env = {}) {
  await using fake = await fakeWorld();
  for (const [name, text] of Object.entries(files)) await writeFile(join(fake.world.cwd, name), text);
  const terminal = fake.openTerminal({ isTTY: false });
  const exitCode = await runApp(argv, {
    world: { ...fake.world, env: { ...fake.world.env, ...env }, terminal },
    registry: fake.registry,
    signal: new AbortController().signal,
    version: "0.0.0",
  });
  return { exitCode, text: terminal.takeLines().join("\n") };
}

test("a file of faults that is no object at all is told with one space", async () => {
  const { exitCode, text } = await gpu(["emulate", "lambda", "--faults", "bad.yaml", "--", "true"], {
    "bad.yaml": "just words",
  });
  expect(exitCode).toBe(2);
  expect(text).toMatch(/the faults in `bad\.yaml` cannot be used: \S/);
});

test.each([["start"], ["exec"], ["sync"]])("`gpu %s --help` says once that a flag may be repeated", async (name) => {
  const { text } = await gpu([name, "--help"]);
  expect(text.replaceAll(/\s+/g, " ")).not.toMatch(/may be repeated \(may be repeated/);
  expect(text).toContain("repeated");
});

test("what only the environment says of a provider is below the provider's key", async () => {
  const LAMBDA_API_URL = "http://127.0.0.1:1";
  const { text } = await gpu(["config", "get", "providers.lambda", "--json"], {}, { LAMBDA_API_URL });
  expect(JSON.parse(text)).toEqual({
    key: "providers.lambda",
    value: { url: LAMBDA_API_URL },
    source: "environment",
    from: "LAMBDA_API_URL",
  });
});
