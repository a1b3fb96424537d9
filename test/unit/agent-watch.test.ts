import { beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lease } from "../../src/agent/lease.ts";
import { Models, sumOf } from "../../src/agent/models.ts";
import { countEstablished, sshAddressOf } from "../../src/agent/sessions.ts";
import { Watch, type WatchOptions } from "../../src/agent/watch.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let clock: FakeClock;
let told: string[];
let ended: string[];
let isBusy: boolean;
let sessions: number | undefined;
let jobAt: number;

beforeEach(() => {
  clock = new FakeClock({ mode: "manual" });
  [told, ended, isBusy, sessions, jobAt] = [[], [], false, 0, 0];
});

function watch(options: Partial<WatchOptions> = {}): Watch {
  return new Watch({
    world: { clock },
    lease: undefined,
    gpus: { isBusy: () => Promise.resolve(isBusy) },
    models: { look: () => Promise.resolve(), lastActivityMs: undefined },
    jobActivityMs: () => jobAt,
    sessions: () => Promise.resolve(sessions),
    tell: (message) => Promise.resolve(void told.push(message)),
    end: (why) => Promise.resolve((ended.push(why), "accepted")),
    ...options,
  });
}

/** Looks every half minute for so long, as the agent does. */
async function pass(machine: Watch, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 30_000) {
    await machine.look();
    await clock.advance(Math.min(left, 30_000));
  }
  await machine.look();
}

describe("a machine that nobody uses", () => {
  const idle = { afterMs: 60 * minuteMs, then: "stop" } as const;

  test("is warned about first, and ended an hour after its last use", async () => {
    const machine = watch({ idle });
    await pass(machine, 49 * minuteMs);
    expect({ told, ended }).toEqual({ told: [], ended: [] });
    await pass(machine, 2 * minuteMs);
    expect(told).toEqual(["gpu: nobody has used this machine for 50 min: it ends in 10 min"]);
    expect(machine.idleWarning).toBe("nobody has used this machine for 51 min: it ends in 9 min");
    await pass(machine, 8 * minuteMs);
    expect(ended).toEqual([]);
    await pass(machine, minuteMs);
    expect(ended).toEqual(["it was idle for 1 h 00 min"]);
    expect(told.at(-1)).toBe("gpu: this machine ends now: it was idle for 1 h 00 min");
  });

  for (
    const [name, use] of [
      ["a GPU at work", () => isBusy = true],
      ["an SSH connection", () => sessions = 1],
      ["a job", () => jobAt = clock.now()],
    ] as const
  ) {
    test(`is used again by ${name}, and the warning is taken back`, async () => {
      const machine = watch({ idle });
      await pass(machine, 55 * minuteMs);
      expect(machine.idleWarning).toBeDefined();
      use();
      await machine.look();
      [isBusy, sessions] = [false, 0];
      expect(machine.idleWarning).toBeUndefined();
      await pass(machine, 45 * minuteMs);
      expect(ended).toEqual([]);
    });
  }

  test("is used again when somebody says so", async () => {
    const machine = watch({ idle });
    await pass(machine, 55 * minuteMs);
    machine.touch();
    await pass(machine, 30 * minuteMs);
    expect({ ended, warning: machine.idleWarning }).toEqual({ ended: [], warning: undefined });
  });

  test("is not ended where only a warning is wanted, nor where it cannot be told who is attached", async () => {
    const warned = watch({ idle: { ...idle, then: "warn" } });
    await pass(warned, 70 * minuteMs);
    expect(told).toEqual(["gpu: nobody has used this machine for 50 min"]);
    sessions = undefined;
    const unsure = watch({ idle });
    await pass(unsure, 70 * minuteMs);
    expect(ended).toEqual([]);
  });

  test("is warned about even when the agent was asleep when it was due", async () => {
    const machine = watch({ idle });
    await clock.advance(3 * hourMs);
    await machine.look();
    expect(ended).toEqual([]);
    expect(told).toHaveLength(1);
    await machine.look();
    expect(ended).toHaveLength(1);
  });

  test("is asked about again when its end is refused or has no effect, and not in between", async () => {
    const answers = ["not-yet", "accepted"] as const;
    const machine = watch({
      idle: { afterMs: minuteMs, then: "stop" },
      end: (why) => Promise.resolve(answers[Math.min(1, ended.push(why) - 1)] ?? "accepted"),
    });
    await pass(machine, minuteMs);
    expect(ended).toHaveLength(1);
    await clock.advance(10_000);
    await machine.look();
    expect(ended).toHaveLength(1);
    await clock.advance(5_000);
    await machine.look();
    expect(ended).toHaveLength(2);
    await pass(machine, minuteMs);
    expect(ended).toHaveLength(2);
    await pass(machine, 2 * minuteMs);
    expect(ended).toHaveLength(3);
  });

  test("looks on when looking fails", async () => {
    const log: string[] = [];
    const machine = watch({ sessions: () => Promise.reject(new Error("no table")), onLog: (line) => log.push(line) });
    const over = new AbortController();
    const running = machine.run(over.signal);
    await clock.advance(31_000);
    over.abort();
    await running;
    expect(log).toEqual(Array(2).fill("cannot look after the machine: no table"));
  });
});

describe("a lease", () => {
  async function leased(options: Partial<WatchOptions> & { hours?: number } = {}) {
    const folder = mkdtempSync(join(tmpdir(), "gpu-lease-"));
    const lease = new Lease({ world: { clock }, path: join(folder, "lease.json") });
    const createdAt = clock.now();
    await lease.begin({ createdAt, leaseEndsAt: createdAt + (options.hours ?? 1) * hourMs });
    return {
      lease,
      machine: watch({ lease, ...options }),
      [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
    };
  }

  test("tells everybody ten minutes before it ends, once, and ends the machine where the agent holds it", async () => {
    using given = await leased({ holdsLease: true });
    await pass(given.machine, 49 * minuteMs);
    expect(told).toEqual([]);
    await pass(given.machine, 5 * minuteMs);
    expect(told).toEqual(["gpu: the lease of this machine ends in 10 min: save your work"]);
    expect(given.machine.leaseWarning).toBe("the lease of this machine ends in 6 min: save your work");
    await pass(given.machine, 6 * minuteMs);
    expect(ended).toEqual(["its lease is over"]);
  });

  test("only reports where somebody else holds the machine to it", async () => {
    using given = await leased({ holdsLease: false });
    await pass(given.machine, 61 * minuteMs);
    expect({ ended, warning: given.machine.leaseWarning }).toEqual({
      ended: [],
      warning: "the lease of this machine is over",
    });
  });

  test("that is longer now takes the warning back, and warns again at its new end", async () => {
    using given = await leased({ holdsLease: true });
    await pass(given.machine, 55 * minuteMs);
    expect(await given.lease.extend(1)).toMatchObject({ addedHours: 1 });
    await given.machine.look();
    expect(given.machine.leaseWarning).toBeUndefined();
    await pass(given.machine, 56 * minuteMs);
    expect(told).toHaveLength(2);
    expect(ended).toEqual([]);
  });

  test("is looked at the moment it ends, not half a minute later", async () => {
    using given = await leased({ holdsLease: true, hours: 0.001 });
    expect(await given.machine.look()).toBe(3600);
  });

  test("grows by whole hours up to the limit of all together, however often it is asked for", async () => {
    using given = await leased({ hours: 1.5 });
    expect(await given.lease.extend(8)).toMatchObject({ addedHours: 8, limit: undefined });
    expect(await given.lease.extend(20)).toMatchObject({ addedHours: 14, limit: "the whole lease is limited to 24 h" });
    const { endsAt, addedHours } = await given.lease.extend(1);
    expect({ hours: (endsAt - clock.now()) / hourMs, addedHours }).toEqual({ hours: 23.5, addedHours: 0 });
  });

  test("loses no hour when several are asked for at once", async () => {
    using given = await leased({ hours: 1 });
    await Promise.all([given.lease.extend(1), given.lease.extend(2), given.lease.extend(3)]);
    expect(((await given.lease.read())?.leaseEndsAt ?? 0) - clock.now()).toBe(7 * hourMs);
  });
});

test("established connections to the SSH server are counted, ours to others are not", () => {
  const table = `  sl  local_address rem_address   st tx_queue
   0: 00000000:0016 00000000:0000 0A 00000000:00000000
   1: 0A01A8C0:0016 0201A8C0:C001 01 00000000:00000000
   2: 0A01A8C0:0016 0201A8C0:C002 06 00000000:00000000
   3: 0A01A8C0:C003 0301A8C0:0016 01 00000000:00000000
   4: 0100007F:0016 0100007F:C004 01 00000000:00000000
   0: 0000000000000000FFFF00000A01A8C0:0016 0000000000000000FFFF00000201A8C0:C005 01 00000000:00000000
`;
  expect(countEstablished(table, { port: 22 })).toBe(3);
  expect(countEstablished(table, { host: "192.168.1.10", port: 22 })).toBe(2);
  expect(sshAddressOf({ SSH_CONNECTION: "203.0.113.9 52000 10.0.0.5 2222" })).toEqual({ port: 2222 });
  expect(sshAddressOf({})).toEqual({ port: 22 });
});

describe("model servers", () => {
  test("are active while they answer, or have done more than before", async () => {
    let sglang = 'sglang:num_running_reqs{model="m"} 0\nsglang:generation_tokens_total{model="m"} 100\n';
    const world = ciWorld({
      home: "/nonexistent",
      clock,
      fetch: (url) =>
        String(url).includes("30000")
          ? Promise.resolve(new Response(sglang))
          : Promise.reject(new Error("connection refused")),
    });
    const models = new Models(world, {
      sglang: "http://127.0.0.1:30000/metrics",
      n8n: "http://127.0.0.1:5678/metrics",
    });
    await models.look();
    expect(models.sglang).toEqual({ isHealthy: true, total: 100, lastActivityMs: undefined });
    expect(models.n8n).toEqual({ isHealthy: false, total: 0, lastActivityMs: undefined });
    sglang = sglang.replace(" 100", " 140");
    await clock.advance(1000);
    await models.look();
    const tokensAt = clock.now();
    expect(models.lastActivityMs).toBe(tokensAt);
    await clock.advance(1000);
    await models.look();
    expect(models.lastActivityMs).toBe(tokensAt);
    sglang = sglang.replace('reqs{model="m"} 0', 'reqs{model="m"} 2');
    await models.look();
    expect(models.lastActivityMs).toBe(clock.now());
  });

  test("name a metric with labels, without, and beside others that begin alike", () => {
    expect(sumOf('n{a="x y"} 2\nn{a="}"} 3 1700000000\n', "n")).toBe(5);
    expect(sumOf("n_more 7\n# HELP n text\nn 4\n", "n")).toBe(4);
    expect(sumOf("n NaN\n", "n")).toBeUndefined();
  });
});
