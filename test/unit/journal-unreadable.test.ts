import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runApp } from "../../src/app.ts";
import { journalError } from "../../src/rent/journal-file.ts";
import { fakeWorld } from "../fake/world.ts";
import { errorOf, launch, rentingComputer, waitFor } from "./rent-fixture.ts";

test.each(["cost", "cost --json", "log", "log box"])("`gpu %s` does not take it for an empty one", async (line) => {
  await using fake = await fakeWorld();
  const { state } = fake.world.folders;
  await mkdir(state, { recursive: true });
  await writeFile(join(state, "journal.db"), "this is no database".repeat(100));
  const terminal = fake.openTerminal({ isTTY: false });
  const exitCode = await runApp(line.split(" "), {
    world: { ...fake.world, terminal },
    registry: fake.registry,
    signal: new AbortController().signal,
    version: "0.0.0",
  });
  expect(exitCode).toBe(1);
  expect(terminal.takeLines().join("\n")).toContain("cannot be used: file is not a database");
});

test("a journal that fails while an instance boots gives it back at once", async () => {
  using computer = await rentingComputer({ bootMs: 5_000 });
  const { token } = await launch(computer);
  const before = computer.clock.now();
  const full = Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
  computer.journal.markSeen = () => {
    throw journalError("journal.db", full);
  };
  const error = await errorOf(waitFor(computer, token));
  expect(error.message).toContain("the journal of what is rented");
  expect(error.message).toContain("it was given back");
  expect(computer.clock.now() - before).toBeLessThan(5_000);
  expect(computer.journal.launch(token)?.state).toBe("STOPPED");
});
