import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Journal, openJournal } from "../../src/rent/journal.ts";
import { launchInstance, type RentRequest } from "../../src/rent/launch.ts";
import type { ReadyOptions } from "../../src/rent/ready.ts";
import { waitUntilReady } from "../../src/rent/ready.ts";
import type { Launch } from "../../src/rent/rows.ts";
import { FakeClock } from "../fake/clock.ts";
import { type FakeOptions, FakeProvider } from "../fake/provider.ts";

/** A computer with a state folder, a clock and one cloud. Its processes come and go: see `reopen`. */
export async function rentingComputer(cloud: Omit<FakeOptions, "clock"> = {}) {
  const clock = new FakeClock();
  const root = mkdtempSync(join(tmpdir(), "gpu-rent-"));
  const state = join(root, "state");
  let counter = 0;
  const world = {
    clock,
    folders: { config: join(root, "config"), state, cache: join(root, "cache") },
    random: (byteCount: number) => {
      const bytes = new Uint8Array(byteCount);
      new DataView(bytes.buffer).setUint32(0, ++counter);
      return bytes;
    },
  };
  const provider = new FakeProvider({ clock, ...cloud });
  const journals: Journal[] = [];
  const reopen = async () => {
    const journal = await openJournal(world);
    journals.push(journal);
    return journal;
  };
  return {
    world,
    clock,
    state,
    provider,
    journal: await reopen(),
    /** The journal as the next process sees it. */
    reopen,
    [Symbol.dispose]() {
      for (const journal of journals) journal[Symbol.dispose]();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export type Computer = Awaited<ReturnType<typeof rentingComputer>>;

export function launch(
  computer: Computer,
  request: Partial<RentRequest> = {},
  { run = "a1", signal }: { run?: string; signal?: AbortSignal } = {},
): Promise<Launch> {
  return launchInstance({ ...computer, run, signal, request: { hours: 1, ...request } });
}

export function waitFor(computer: Computer, token: string, options: Partial<ReadyOptions> = {}): Promise<Launch> {
  return waitUntilReady({ ...computer, token, run: "a1", owner: "lease", answers: async () => {}, ...options });
}

/** What a rejected promise was rejected with. */
export async function errorOf(
  work: Promise<unknown>,
): Promise<Error & { hint?: string; exitCode?: number; kind?: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
