// Whatever a cloud answers, however late, and whoever dies or looks after it meanwhile: one launch makes at most one
// machine, and nothing is left. fast-check draws the cloud, the death and the commands that run beside it.
import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { LaunchRefused, type LaunchRequest } from "../../src/provider/provider.ts";
import type { Journal } from "../../src/rent/journal.ts";
import { Reaper } from "../../src/rent/reaper.ts";
import { reconcile } from "../../src/rent/reconcile.ts";
import { stopInstance } from "../../src/rent/stop.ts";
import { FakeProvider } from "../fake/provider.ts";
import { mortal } from "../fake/mortal.ts";
import { type Computer, launch, rentingComputer, waitFor } from "../unit/rent-fixture.ts";

setDefaultTimeout(120_000);

const settleMs = 60_000;

/** What becomes of one launch request: is a machine made, when, and what is heard of it. */
const launchAnswer = fc.record({
  /** Milliseconds until the machine is made, sometimes long after it was given up; null: never. */
  madeAfterMs: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 150_000 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  heard: fc.constantFrom("id", "id", "id", "nothing", "broken", "5xx", "late id", "refused"),
});

const world = fc.record({
  launch: launchAnswer,
  unlistedMs: fc.constantFrom(0, 0, 5_000, 30_000),
  bootMs: fc.constantFrom(0, 3_000, 40_000),
  stopMs: fc.constantFrom(0, 5_000, 30_000),
  refusesToStopBooting: fc.boolean(),
  /** Which of the calls to list, get and terminate fail, over and over. */
  failures: fc.array(fc.constantFrom("ok", "ok", "ok", "5xx", "after", "slow"), { minLength: 1, maxLength: 7 }),
  /** At which of its steps the launching process is killed; more than there are: it lives. */
  diesAtStep: fc.integer({ min: 1, max: 60 }),
  /** When other commands reconcile beside it, in milliseconds. */
  commandsAt: fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 4 }),
  /** When somebody stops it by hand. */
  stoppedAt: fc.option(fc.integer({ min: 0, max: 60_000 }), { nil: null }),
  hasReaper: fc.boolean(),
  reaperDiesAt: fc.option(fc.integer({ min: 0, max: 60_000 }), { nil: null }),
});
type Drawn = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** A cloud with the drawn manners. */
class DrawnCloud extends FakeProvider {
  readonly #drawn: Drawn;
  readonly #clock: Computer["clock"];
  #calls = 0;
  /** From now on every question gets an answer: where none does, nothing can ever be proven gone. */
  isCalm = false;

  constructor(drawn: Drawn, clock: Computer["clock"]) {
    const { unlistedMs, bootMs, stopMs, refusesToStopBooting } = drawn;
    super({ clock, unlistedMs, bootMs, stopMs, refusesToStopBooting, facts: { pollMs: 5_000, settleMs } });
    this.#drawn = drawn;
    this.#clock = clock;
  }

  override async launch(request: LaunchRequest): Promise<{ id: string }> {
    const { madeAfterMs, heard } = this.#drawn.launch;
    if (heard === "refused") throw new LaunchRefused("no capacity", { reason: "capacity" });
    const made = madeAfterMs === null
      ? new Promise<never>(() => {})
      : this.#clock.sleep(madeAfterMs).then(() => super.launch(request));
    made.catch(() => {});
    if (heard === "nothing" || madeAfterMs === null) {
      await this.#clock.sleep(15_000);
      throw new Error("timeout");
    }
    if (heard === "5xx") throw new Error("502");
    const { id } = await made;
    if (heard === "broken") throw new SyntaxError("Unexpected end of JSON input");
    if (heard === "late id") await this.#clock.sleep(40_000);
    return { id };
  }

  override list(): ReturnType<FakeProvider["list"]> {
    return this.#through(() => super.list());
  }

  override get(id: string): ReturnType<FakeProvider["get"]> {
    return this.#through(() => super.get(id));
  }

  override terminate(id: string): ReturnType<FakeProvider["terminate"]> {
    return this.#through(() => super.terminate(id));
  }

  async #through<T>(call: () => Promise<T>): Promise<T> {
    const { failures } = this.#drawn;
    const manner = failures[this.#calls++ % failures.length];
    if (this.isCalm) return await call();
    if (manner === "5xx") throw new Error("503");
    if (manner === "slow") await this.#clock.sleep(4_000);
    const answer = await call();
    if (manner === "after") throw new Error("connection reset");
    return answer;
  }
}

test("no answer, however late or broken, makes two machines or leaves one", async () => {
  const counts = { made: 0, killed: 0, runs: 0 };
  await fc.assert(
    fc.asyncProperty(world, async (drawn) => {
      const { made, wasKilled } = await live(drawn);
      counts.runs += 1;
      counts.made += made;
      counts.killed += wasKilled ? 1 : 0;
    }),
    { numRuns: 120, interruptAfterTimeLimit: 60_000 },
  );
  // Otherwise it would prove nothing.
  expect(counts.made).toBeGreaterThan(counts.runs / 3);
  expect(counts.killed).toBeGreaterThan(counts.runs / 4);
});

/** One launch in a drawn world until everything has come to rest. Throws where anything is left. */
async function live(drawn: Drawn): Promise<{ made: number; wasKilled: boolean }> {
  using computer = await rentingComputer();
  const provider = new DrawnCloud(drawn, computer.clock);
  const here: Computer = { ...computer, provider };
  const { computer: dying, death } = mortal(here, drawn.diesAtStep);
  let isAlive = true;
  const over = (end: string) => {
    isAlive = false;
    return end;
  };
  const job = async () => {
    const { token } = await launch(dying);
    await waitFor(dying, token, { owner: "run" });
    await stopInstance({ ...dying, target: { token }, why: "done" });
  };
  const others = await beside(here, drawn, () => isAlive);
  const end = await Promise.race([job().then(() => over("done"), () => over("failed")), death.then(over)]);
  await others.settled;
  const journal = await computer.reopen();
  provider.isCalm = true;
  await calmDown(here, journal);
  await others.end();
  expect({ machines: provider.machines, open: journal.launches({ open: true }) }).toEqual({ machines: [], open: [] });
  expect(provider.launched).toBeLessThanOrEqual(1);
  return { made: provider.launched, wasKilled: end === "killed" };
}

/** Who else is at it: later commands, a person who stops everything, the reaper. */
async function beside(computer: Computer, drawn: Drawn, isRunAlive: () => boolean) {
  const { clock, provider } = computer;
  const at = async (ms: number, act: (journal: Journal) => Promise<unknown>) => {
    const journal = await computer.reopen();
    await clock.sleep(ms);
    await act(journal).catch(() => {});
  };
  const stopAll = async (journal: Journal) => {
    for (const { token } of journal.launches({ open: true })) {
      await stopInstance({ ...computer, journal, target: { token }, why: "gpu stop", patienceMs: 20_000 });
    }
  };
  const commands = [
    ...drawn.commandsAt.map((ms) =>
      at(ms, (journal) => reconcile({ ...computer, journal, provider: async () => provider, isRunAlive }))
    ),
    ...(drawn.stoppedAt === null ? [] : [at(drawn.stoppedAt, stopAll)]),
  ];
  const reaper = drawn.hasReaper
    ? new Reaper({
      world: computer.world,
      journal: await computer.reopen(),
      provider: () => Promise.resolve(provider),
      isRunAlive,
      onChange() {},
      log() {},
    })
    : undefined;
  reaper?.start();
  const end = async () => await reaper?.[Symbol.asyncDispose]();
  if (drawn.reaperDiesAt !== null) void clock.sleep(drawn.reaperDiesAt).then(end);
  return { settled: Promise.all(commands), end };
}

/** Later commands, for as long as a machine may stay unlisted and a little more. */
async function calmDown(computer: Computer, journal: Journal): Promise<void> {
  const provider = async () => computer.provider;
  for (let elapsedMs = 0; elapsedMs < 4 * settleMs; elapsedMs += 8_000) {
    await reconcile({ ...computer, journal, provider, isRunAlive: () => false });
    await computer.clock.sleep(8_000);
  }
}
