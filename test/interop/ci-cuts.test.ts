// A small share of what `scripts/torture ci` does.
import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KillableServer, runOnOurs, runOnPlain } from "../fake/ci-cuts.ts";
import { FakeCiServer } from "../fake/ci-server.ts";
import { randomFrom } from "../../scripts/random.ts";

test("the existing server, cut off and restarted: no line is lost, and none comes twice", async () => {
  await using server = await FakeCiServer.start();
  for (const seed of [1, 2, 3]) {
    const { lost, doubled, success } = await runOnPlain(server, { lines: 20_000, cuts: 8, random: randomFrom(seed) });
    expect({ lost, doubled, success }).toEqual({ lost: 0, doubled: 0, success: true });
  }
}, 20_000);

test("our own server, cut off and killed: no line is lost, and none comes twice", async () => {
  const home = await mkdtemp(join(tmpdir(), "ci-cuts-"));
  try {
    await using server = await KillableServer.start(home);
    for (const seed of [1, 2]) {
      const run = { lines: 20_000, cuts: 8, random: randomFrom(seed) };
      const { lost, doubled, success } = await runOnOurs(server, join(home, "project"), run);
      expect({ lost, doubled, success }).toEqual({ lost: 0, doubled: 0, success: true });
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}, 60_000);
