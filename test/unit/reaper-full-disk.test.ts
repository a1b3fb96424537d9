import { afterEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { journalError } from "../../src/rent/journal-file.ts";
import type { Journal } from "../../src/rent/journal.ts";
import { Reaper } from "../../src/rent/reaper.ts";
import { through } from "../fake/mortal.ts";
import { type Computer, launch, rentingComputer, waitFor } from "./rent-fixture.ts";

const hourMs = 3_600_000;
const reads = ["launch", "launches", "runs", "events", "agentToken", "checkFile"];

let computer: Computer;
let reaper: Reaper;
afterEach(async () => {
  await reaper[Symbol.asyncDispose]();
  computer[Symbol.dispose]();
});

/** A reaper whose disk is full as long as `disk.isFull`, and whose journal cannot even be read where that says so. */
async function onFullDisk(journalOf = (journal: Journal) => journal) {
  computer = await rentingComputer({ facts: { pollMs: 1_000, settleMs: 1_000 } });
  const disk = { isFull: false, isUnreadable: false, tries: 0 };
  const full = Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
  const journal = through(await computer.reopen(), (call, method) => {
    if (disk.isFull && !reads.includes(method)) disk.tries++;
    if (disk.isUnreadable || (disk.isFull && !reads.includes(method))) throw journalError("journal.db", full);
    return call();
  });
  const said: string[] = [];
  reaper = new Reaper({
    world: computer.world,
    journal: journalOf(journal),
    provider: () => Promise.resolve(computer.provider),
    isRunAlive: () => false,
    onChange() {},
    log: (text) => void said.push(text),
  });
  const { token } = await launch(computer, { hours: 1 });
  await waitFor(computer, token);
  return { disk, said, token };
}

const terminates = () => computer.provider.calls.filter((call) => call.startsWith("terminate"));

test("a machine is stopped once where that cannot be written down, and written down once it can", async () => {
  const { disk, said, token } = await onFullDisk();
  disk.isFull = true;
  reaper.start();
  await computer.clock.sleep(hourMs + 10 * 60_000);
  expect(computer.provider.machines).toEqual([]);
  expect(terminates()).toHaveLength(1);
  // 1, 2, 4 … 60 s: some fifteen in ten minutes, each said once.
  expect(said.filter((text) => text.includes("cannot be written down")).length).toBeWithin(8, 30);
  expect(said.length).toBeLessThan(60);
  expect(reaper.heldCount).toBeGreaterThan(0);
  disk.isFull = false;
  await computer.clock.sleep(61_000);
  expect(computer.journal.launch(token)).toMatchObject({ state: "STOPPED", endWhy: "its lease is over" });
  expect(computer.journal.events({ token }).map(({ kind }) => kind)).not.toContain("stop-failed");
  expect(terminates()).toHaveLength(1);
  expect(reaper.heldCount).toBe(0);
});

test("the end of a dead run that cannot be written is tried less and less often", async () => {
  const { disk } = await onFullDisk();
  computer.journal.startRun({ id: "dead", recipe: undefined });
  disk.isFull = true;
  reaper.start();
  const look = setInterval(() => reaper.look());
  await computer.clock.sleep(10 * 60_000);
  clearInterval(look);
  expect(disk.tries).toBeWithin(8, 20);
  disk.isFull = false;
  await computer.clock.sleep(61_000);
  expect(computer.journal.runs({ open: true })).toEqual([]);
});

test("a journal that cannot be read is asked less and less often, however often it changes", async () => {
  const { disk, said, token } = await onFullDisk();
  disk.isUnreadable = true;
  reaper.start();
  const look = setInterval(() => reaper.look());
  await computer.clock.sleep(2 * hourMs);
  clearInterval(look);
  expect(said.length).toBeWithin(100, 140);
  disk.isUnreadable = false;
  await computer.clock.sleep(70_000);
  expect(computer.journal.launch(token)?.state).toBe("STOPPED");
});

test("a journal that was removed keeps nothing from being stopped, and nobody for ever", async () => {
  await onFullDisk((journal) => journal);
  reaper.start();
  await computer.clock.sleep(1_000);
  rmSync(computer.state, { recursive: true });
  await computer.clock.sleep(hourMs + 60_000);
  expect(computer.provider.machines).toEqual([]);
  expect(terminates()).toHaveLength(1);
  expect(reaper.heldCount).toBe(0);
});
