import { expect, test } from "bun:test";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testRecipe } from "gpu";
import sweep from "./sweep.ts";

// `gpu recipe test` runs this: machines of this computer, an emulated cloud, and no money.

async function writeScript(text: string) {
  const folder = await mkdtemp(join(tmpdir(), "sweep-"));
  const path = join(folder, "measure.sh");
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o700);
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("one row for each type, and every instance is given back", async () => {
  await using script = await writeScript("echo 42 tokens/s");
  const { result, rented, leftBehind } = await testRecipe(sweep, {
    input: { script: script.path, type: ["gpu_1x_a10", "gpu_1x_h100_pcie"], hours: 0.5 },
    provider: "lambda",
  });
  expect(result.runs.map(({ type, outcome, says }) => ({ type, outcome, says }))).toEqual([
    { type: "gpu_1x_a10", outcome: "ok", says: "42 tokens/s" },
    { type: "gpu_1x_h100_pcie", outcome: "ok", says: "42 tokens/s" },
  ]);
  expect(rented).toHaveLength(2);
  expect(leftBehind).toEqual([]);
});

test("left to itself it takes the three cheapest with a GPU, and none without", async () => {
  await using script = await writeScript("true");
  const { result } = await testRecipe(sweep, { input: { script: script.path, hours: 0.5 }, provider: "lambda" });
  expect(result.runs).toHaveLength(3);
  for (const { type, outcome } of result.runs) expect(`${type} ${outcome}`).toMatch(/^gpu_.* ok$/);
});

test("a type that is sold out is a row, and costs nothing", async () => {
  await using script = await writeScript("true");
  const { result, rented } = await testRecipe(sweep, {
    input: { script: script.path, type: ["gpu_of_tomorrow"] },
    provider: "lambda",
  });
  expect(result.runs).toHaveLength(1);
  expect(rented).toEqual([]);
});

test("whatever breaks, nothing is left", async () => {
  await using script = await writeScript("sleep 0.2; echo done");
  const { leftBehind } = await testRecipe(sweep, {
    input: { script: script.path, type: ["local", "local"] },
    ...{ chaos: 30, seed: 7 },
  });
  expect(leftBehind).toEqual([]);
});
