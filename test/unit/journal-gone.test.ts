import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runApp } from "../../src/app.ts";
import { JournalGone } from "../../src/rent/journal-file.ts";
import { fakeWorld } from "../fake/world.ts";
import { errorOf, launch, rentingComputer, waitFor } from "./rent-fixture.ts";

// Whole commands run, and a busy computer takes its time.
setDefaultTimeout(20_000);

test("the state folder is removed while an instance boots: it is given back at once, and nothing is ready", async () => {
  using computer = await rentingComputer({ bootMs: 60_000, facts: { pollMs: 1_000 } });
  const { token } = await launch(computer);
  const before = computer.clock.now();
  const waiting = errorOf(waitFor(computer, token));
  await computer.clock.sleep(5_000);
  rmSync(computer.state, { recursive: true });
  const error = await waiting;
  expect(error.message).toContain("was removed while it was in use; it was given back");
  expect(computer.provider.machines).toEqual([]);
  expect(computer.clock.now() - before).toBeLessThan(10_000);
});

test("it is removed between the request and its answer: what was made is given back by its id", async () => {
  using computer = await rentingComputer({ unlistedMs: 0 });
  const { provider } = computer;
  const really = provider.launch.bind(provider);
  provider.launch = async (...asked) => {
    const made = await really(...asked);
    rmSync(computer.state, { recursive: true });
    return made;
  };
  expect((await errorOf(launch(computer))).message).toContain("it was given back");
  expect(provider.machines).toEqual([]);
  expect(provider.calls).toContain("terminate i-1");
});

test("another file in its place is no journal of ours either, and one that only grew is", async () => {
  using computer = await rentingComputer();
  const { journal, state } = computer;
  journal.startRun({ id: "a1", recipe: undefined });
  journal.checkFile();
  renameSync(join(state, "journal.db"), join(state, "journal.old"));
  writeFileSync(join(state, "journal.db"), "");
  expect(() => journal.endRun({ id: "a1", exitCode: 0 })).toThrow(JournalGone);
  expect(journal.runs()).toHaveLength(1);
  renameSync(join(state, "journal.old"), join(state, "journal.db"));
  journal.endRun({ id: "a1", exitCode: 0 });
});

test("`gpu start` whose state folder goes ends with an error, and the next command works", async () => {
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
  const { state } = fake.world.folders;
  const get = fake.cloud.get.bind(fake.cloud);
  fake.cloud.get = (...asked) => {
    rmSync(state, { recursive: true, force: true });
    return get(...asked);
  };
  const { exitCode, text } = await gpu("start --provider cloud --type gpu_1x_a10 --yes --hours 1");
  expect(exitCode).toBe(1);
  expect(text).toContain("was removed while it was in use; it was given back");
  expect(text).not.toContain("is ready");
  expect(fake.cloud.machines).toEqual([]);
  mkdirSync(state, { recursive: true });
  fake.cloud.get = get;
  expect(await gpu("status")).toMatchObject({ exitCode: 0 });
});
