import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Journal, openJournal } from "../../src/rent/journal.ts";
import { isRunAlive } from "../../src/rent/run.ts";
import type { Intent } from "../../src/rent/rows.ts";
import { FakeClock } from "../fake/clock.ts";

// Some tests start processes: a busy computer needs its time.
setDefaultTimeout(30_000);

let state: string;
let open: Journal[] = [];
const clock = new FakeClock();

beforeEach(() => {
  state = join(mkdtempSync(join(tmpdir(), "gpu-journal-")), "gpu");
});
afterEach(() => {
  for (const journal of open) journal[Symbol.dispose]();
  open = [];
  rmSync(join(state, ".."), { recursive: true, force: true });
});

const world = () => ({ clock, folders: { config: state, state, cache: state } });

async function journalHere(): Promise<Journal> {
  const journal = await openJournal(world());
  open.push(journal);
  return journal;
}

function intent(token: string, change: Partial<Intent> = {}): Intent {
  return {
    token,
    run: "a1",
    provider: "fake",
    account: undefined,
    profile: undefined,
    request: { type: "a10" },
    name: undefined,
    type: "a10",
    region: "us-1",
    pricePerHour: 1,
    leaseEndsAt: clock.now() + 3_600_000,
    hostPublicKey: "ssh-ed25519 AAAA",
    agentToken: `secret-of-${token}`,
    ...change,
  };
}

test("every file of the journal is its owner's alone, whatever was there before", async () => {
  mkdirSync(state, { mode: 0o755, recursive: true });
  const first = await journalHere();
  first.intend(intent("t1"));
  const modes = () =>
    readdirSync(state).sort().map((file) => [file, (statSync(join(state, file)).mode & 0o777).toString(8)]);
  const tight = [["journal.db", "600"], ["journal.db-shm", "600"], ["journal.db-wal", "600"]];
  expect(modes()).toEqual(tight);
  expect(statSync(state).mode & 0o777).toBe(0o700);
  for (const [file] of tight) chmodSync(join(state, file ?? ""), 0o644);
  await journalHere();
  expect(modes()).toEqual(tight);
});

test("a transition starts from the right state or does nothing", async () => {
  const journal = await journalHere();
  journal.intend(intent("t1"));
  expect(journal.markLaunched("t1", "i-1")).toBeUndefined();
  expect(journal.markReady("t1", "lease")).toBeUndefined();
  expect(journal.markStopped("t1", "x")).toBeUndefined();
  expect(journal.markSent("t1")).toMatchObject({ state: "SENT", sentAt: clock.now() });
  expect(journal.markSent("t1")).toBeUndefined();
  expect(journal.markReady("t1", "lease")).toBeUndefined();
  expect(journal.markLaunched("t1", "i-1")).toMatchObject({ state: "LAUNCHED", instanceId: "i-1", owner: "run" });
  expect(journal.markAbsent("t1", "x")).toBeUndefined();
  expect(journal.markReady("t1", "lease")).toMatchObject({ owner: "lease", readyAt: clock.now() });
  expect(journal.setLeaseEnd("t1", 5)).toMatchObject({ leaseEndsAt: 5 });
  expect(journal.markStopping("t1", "first")).toMatchObject({ state: "STOPPING", endWhy: "first" });
  expect(journal.markStopping("t1", "second")).toMatchObject({ state: "STOPPING", endWhy: "first" });
  expect(journal.handToLease("t1")).toBeUndefined();
  expect(journal.markStopped("t1", "third")).toMatchObject({ state: "STOPPED", endWhy: "first" });
  expect(journal.markStopped("t1", "x")).toBeUndefined();
  expect(journal.markStopping("t1", "x")).toMatchObject({ state: "STOPPED" });
  expect(journal.markStopping("none", "x")).toBeUndefined();
  const kinds = journal.events({ token: "t1" }).map(({ kind }) => kind);
  expect(kinds).toEqual(["intended", "sent", "launched", "ready", "lease-moved", "stopping", "stopped"]);
});

test("a stop before anything was sent keeps it from being sent", async () => {
  const journal = await journalHere();
  journal.intend(intent("t1"));
  expect(journal.markStopping("t1", "gpu stop")).toMatchObject({ state: "ABSENT" });
  expect(journal.markSent("t1")).toBeUndefined();
});

test("an answer that comes after the stop opens the launch again to be stopped, unless that was done", async () => {
  const journal = await journalHere();
  for (const token of ["t1", "t2"]) {
    journal.intend(intent(token));
    journal.markSent(token);
    journal.markStopping(token, "gpu stop");
  }
  journal.markAbsent("t1", "gpu stop");
  expect(journal.markLaunched("t1", "i-1")).toMatchObject({ state: "STOPPING", instanceId: "i-1", stoppedAt: null });
  journal.markLaunched("t2", "i-2");
  journal.markStopped("t2", "gpu stop");
  expect(journal.markLaunched("t2", "i-2")).toMatchObject({ state: "STOPPED", stoppedAt: clock.now() });
});

test("the agent's secret is in no row, and in no byte of the file once the machine is gone", async () => {
  const journal = await journalHere();
  journal.intend(intent("t1"));
  journal.markSent("t1");
  journal.markLaunched("t1", "i-1");
  expect(JSON.stringify(journal.launches())).not.toContain("secret-of");
  expect(journal.agentToken("t1")).toBe("secret-of-t1");
  journal.markStopping("t1", "x");
  journal.markStopped("t1", "x");
  expect(journal.agentToken("t1")).toBeUndefined();
  journal[Symbol.dispose]();
  open = [];
  for (const file of readdirSync(state)) expect(readFileSync(join(state, file), "latin1")).not.toContain("secret-of");
});

test("launches and events are found by what they belong to", async () => {
  const journal = await journalHere();
  journal.intend(intent("t1"));
  journal.intend(intent("t2", { run: "b2", provider: "other" }));
  journal.markStopping("t1", "x");
  const tokens = (filter: Parameters<Journal["launches"]>[0]) => journal.launches(filter).map(({ token }) => token);
  expect(tokens({})).toEqual(["t1", "t2"]);
  expect(tokens({ open: true })).toEqual(["t2"]);
  expect(tokens({ open: false })).toEqual(["t1"]);
  expect(tokens({ run: "b2" })).toEqual(["t2"]);
  expect(tokens({ provider: "fake" })).toEqual(["t1"]);
  expect(tokens({ endedSince: clock.now() - 1 })).toEqual(["t1"]);
  expect(tokens({ endedSince: clock.now() })).toEqual([]);
  expect(journal.events({ run: "b2" }).map(({ kind }) => kind)).toEqual(["intended"]);
  const [, last] = journal.events({ limit: 2 });
  expect(journal.events({ after: (last?.id ?? 0) - 1 })).toEqual(last === undefined ? [] : [last]);
});

const damages: Record<string, (path: string) => void> = {
  "no database at all": (path) => writeFileSync(path, "hello ".repeat(2_000)),
  "a table that is overwritten": (path) => {
    const bytes = readFileSync(path);
    bytes.fill(0xaa, 4096);
    writeFileSync(path, bytes);
  },
  "a file that is cut": (path) => writeFileSync(path, readFileSync(path).subarray(0, 5000)),
  "a folder in its place": (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  "a newer version": (path) => {
    using database = new Database(path);
    database.run("PRAGMA user_version = 999");
  },
};

for (const [name, damage] of Object.entries(damages)) {
  test(`${name}: rents nothing, says why, and still lets others stop`, async () => {
    const path = join(state, "journal.db");
    {
      using journal = await openJournal(world());
      for (let count = 0; count < 50; count++) journal.intend(intent(`t${count}`));
    }
    damage(path);
    const journal = await journalHere();
    expect(journal.problem?.message).toStartWith(`the journal of what is rented, \`${path}\`, cannot be used: `);
    expect(journal.problem?.hint).toContain("`gpu stop`");
    expect(() => journal.intend(intent("t1"))).toThrow("cannot be used");
    expect(journal.launches()).toEqual([]);
    expect(journal.markStopping("t1", "gpu stop")).toBeUndefined();
    journal.startRun({ id: "a1", recipe: undefined });
  });
}

test("several processes open it for the first time and write at once, and nothing is lost", async () => {
  const script = `
    import { openJournal } from ${JSON.stringify(join(import.meta.dir, "../../src/rent/journal.ts"))};
    const [state, name] = process.argv.slice(-2);
    const world = { clock: { now: () => 1, sleep: async () => {} }, folders: { config: state, state, cache: state } };
    const base = ${JSON.stringify(intent("x"))};
    for (let count = 0; count < 20; count++) {
      using journal = await openJournal(world);
      const token = name + "-" + count;
      journal.intend({ ...base, token });
      journal.markSent(token);
      journal.markLaunched(token, "i-" + token);
    }`;
  const file = join(state, "..", "writer.ts");
  writeFileSync(file, script);
  const writers = ["a", "b", "c", "d"].map((name) =>
    Bun.spawn([process.execPath, file, state, name], { stdout: "ignore", stderr: "pipe" })
  );
  const ends = await Promise.all(
    writers.map(async (writer) => [await new Response(writer.stderr).text(), await writer.exited]),
  );
  expect(ends).toEqual(writers.map(() => ["", 0]));
  const journal = await journalHere();
  expect(journal.launches({ open: true }).filter((launch) => launch.state === "LAUNCHED")).toHaveLength(80);
  expect(journal.events()).toHaveLength(240);
});

test("a run lives as long as its process, also when that is killed", async () => {
  const source = join(import.meta.dir, "../../src/rent");
  const file = join(state, "..", "runner.ts");
  writeFileSync(
    file,
    `import { openJournal } from ${JSON.stringify(join(source, "journal.ts"))};
    import { isRunAlive, openRun } from ${JSON.stringify(join(source, "run.ts"))};
    const [state] = process.argv.slice(-1);
    const world = { clock: { now: () => 1, sleep: async () => {} }, folders: { config: state, state, cache: state },
      random: (n) => crypto.getRandomValues(new Uint8Array(n)) };
    const run = await openRun(world, await openJournal(world), { recipe: "r.ts" });
    // Asking about itself must not free its own lock.
    console.log(run.id, isRunAlive(world, run.id));
    setInterval(() => {}, 1000);`,
  );
  const runner = Bun.spawn([process.execPath, file, state], { stdout: "pipe" });
  const reader = runner.stdout.getReader();
  const said = new TextDecoder().decode((await reader.read()).value);
  const [id = "", itself] = said.trim().split(" ");
  expect(itself).toBe("true");
  expect(isRunAlive(world(), id)).toBe(true);
  expect((await journalHere()).runs({ open: true })).toMatchObject([{ id, recipe: "r.ts", exitCode: null }]);
  runner.kill("SIGKILL");
  await runner.exited;
  expect(isRunAlive(world(), id)).toBe(false);
  expect(isRunAlive(world(), "../../etc/passwd")).toBe(false);
});
