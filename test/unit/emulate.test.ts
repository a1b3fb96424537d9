import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Billed, billOf } from "../../src/emulate/bill.ts";
import { Chance } from "../../src/emulate/chance.ts";
import { openDataFolder } from "../../src/emulate/data-folder.ts";
import { viewEvent } from "../../src/emulate/events.ts";
import { readFaults } from "../../src/emulate/fault-file.ts";
import { FaultChanges, Mischief, noFaults, presets } from "../../src/emulate/faults.ts";
import { keyOf } from "../../src/emulate/lambda/access.ts";
import { catalogue, images } from "../../src/emulate/lambda/catalogue.ts";
import { loopbackOf } from "../../src/emulate/machines.ts";
import { readUserData } from "../../src/emulate/user-data.ts";
import { fakeGpuModels } from "../../src/provider/local/fake-gpu.ts";
import { gpusOf } from "../../src/provider/lambda/offers.ts";

const folder = mkdtempSync(join(tmpdir(), "gpu-emulate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("each question has a sequence of its own, which a seed decides", () => {
  const drawn = (seed: number, others: number) => {
    const chance = new Chance(seed);
    for (let count = 0; count < others; count++) chance.next("other");
    return Array.from({ length: 200 }, () => chance.next("launch"));
  };
  expect(drawn(1, 0)).toEqual(drawn(1, 50));
  expect(drawn(2, 0)).not.toEqual(drawn(1, 0));
  const mean = drawn(1, 0).reduce((sum, one) => sum + one, 0) / 200;
  expect(mean).toBeCloseTo(0.5, 1);
});

test("what is ordered happens once, first, and only to the operation that was named", () => {
  const mischief = new Mischief(noFaults, new Chance(1));
  mischief.change({ once: ["cut", { fault: "slow", on: "listInstances" }] });
  expect(mischief.happens("slow", "launchInstance")).toBe(false);
  expect(mischief.happens("cut", "launchInstance")).toBe(true);
  expect(mischief.happens("cut", "launchInstance")).toBe(false);
  expect(mischief.happens("slow", "listInstances")).toBe(true);
  expect(mischief.settings.once).toEqual([]);
});

test("every preset is a valid change, and none undoes all others", () => {
  for (const changes of Object.values(presets)) expect(FaultChanges.safeParse(changes).success).toBe(true);
  const mischief = new Mischief(noFaults, new Chance(1));
  mischief.change(presets.hostile ?? {});
  expect(mischief.settings.rateLimit).toBe(false);
  mischief.change(presets.none ?? {});
  expect(mischief.settings).toEqual(noFaults);
});

test("faults come from presets and files, later ones first", async () => {
  writeFileSync(join(folder, "mine.yaml"), "cut: 0.5 # often\nonce: [answerLost, { fault: cut, on: listInstances }]\n");
  writeFileSync(join(folder, "mine.json"), '{ "cut": 0.25 }');
  writeFileSync(join(folder, "wrong.yaml"), "cut: often\n");
  writeFileSync(join(folder, "unknown.yaml"), "meteor: 1\n");
  const world = { cwd: folder };
  expect(await readFaults(["slow", "mine.yaml", "mine.json"], world)).toEqual({
    ...{ slow: 0.5, slowMs: 3000, cut: 0.25 },
    once: ["answerLost", { fault: "cut", on: "listInstances" }],
  });
  expect(await readFaults([], world)).toEqual({});
  expect(readFaults(["wrong.yaml"], world)).rejects.toThrow("the faults in `wrong.yaml` cannot be used: cut");
  expect(readFaults(["unknown.yaml"], world)).rejects.toThrow("meteor");
  expect(readFaults(["none.yaml"], world)).rejects.toThrow("there are no faults `none.yaml`");
});

test("user data gives the host key and more keys; commands in it are not obeyed", () => {
  const text = '#cloud-config\nssh_keys:\n  ed25519_private: |\n    A\n    B\nruncmd: ["shutdown now"]\n' +
    'ssh_authorized_keys: ["ssh-ed25519 AAAA me"]\n';
  expect(readUserData(text)).toEqual({
    hostPrivateKey: "A\nB\n",
    authorizedKeys: ["ssh-ed25519 AAAA me"],
    ignored: ["runcmd"],
  });
  const nothing = { hostPrivateKey: undefined, authorizedKeys: [] };
  expect(readUserData(undefined)).toEqual({ ...nothing, ignored: [] });
  expect(readUserData("#!/bin/sh\nreboot\n")).toEqual({ ...nothing, ignored: ["#!/bin/sh"] });
  for (const broken of ["#cloud-config\n{", "#cloud-config\n- a\n", "#cloud-config\nssh_keys: 3\n"]) {
    expect(readUserData(broken)).toMatchObject({ ...nothing, ignored: [expect.any(String)] });
  }
});

test("the key is read from every form that the API allows", () => {
  const read = (authorization: string) => keyOf(new Request("http://x", { headers: { authorization } }));
  expect(read("Bearer secret_abc")).toBe("secret_abc");
  expect(read("bearer secret_abc")).toBe("secret_abc");
  expect(read(`Basic ${btoa("secret_abc:")}`)).toBe("secret_abc");
  expect(read(`Basic ${btoa("secret_abc:")}:`)).toBe("secret_abc");
  expect(read("Basic secret_abc:")).toBe("secret_abc");
  expect(read("Digest secret_abc")).toBe("");
});

test("the catalogue's names say its counts, its GPUs can be pretended, and the driver understands them", () => {
  for (const { type, gpuModel, regions } of catalogue) {
    expect(regions.length).toBeGreaterThan(0);
    if (gpuModel === undefined) expect(type.specs.gpus).toBe(0);
    else {
      expect(fakeGpuModels).toContain(gpuModel);
      expect(type.name).toStartWith(`gpu_${type.specs.gpus}x_`);
      expect(gpusOf(type).vramGiB).toBeGreaterThan(0);
    }
  }
  expect(catalogue.find(({ type }) => type.name === "gpu_8x_b200_sxm6")?.type.price_cents_per_hour).toBe(3992);
  expect(new Set(images.map(({ id }) => id)).size).toBe(images.length);
});

test("a bill is price × time, to the cent, until the instance is gone", () => {
  const instance: Billed = {
    spec: {
      ...{ id: "a".repeat(32), name: "one", type: "t", region: "r", user: "ubuntu", gpu: undefined, filesystems: [] },
      hostKey: { privateKey: "", publicKey: "" },
      authorizedKeys: [""],
    },
    fate: { bootHangs: false, isUnhealthy: false, listedAt: 0 },
    ...{ name: undefined, priceCentsPerHour: 3992, launchedAt: 1000, status: "active", address: undefined },
    ...{ activeAt: 2000, terminationAskedAt: undefined, terminatedAt: undefined },
  };
  const until = (ms: number) => billOf([instance], 1000 + ms).total_cents;
  expect([until(0), until(450), until(451), until(3_600_000), until(5_400_000)]).toEqual([0, 0, 1, 3992, 5988]);
  const ended: Billed = { ...instance, status: "terminated", terminatedAt: 3_601_000 };
  expect(billOf([instance, ended], 3_601_000)).toMatchObject({ made: 2, left: 1, total_cents: 7984 });
  expect(billOf([ended], 9e9).total_cents).toBe(3992);
});

test("each instance has an address of its own in the loopback's block", () => {
  expect(loopbackOf("00000000")).toBe("127.1.0.1");
  expect(loopbackOf("ffffff00")).toMatch(/^127\.2\.255\.2$/);
});

test("a folder whose machines' sockets would not fit is refused", async () => {
  expect(openDataFolder(`/tmp/${"x".repeat(90)}`)).rejects.toThrow("too long a path");
});

test("what a client sent is no terminal escape", () => {
  const seen = {
    at: "2026-01-01T12:00:00.000Z",
    method: "GET",
    path: "/a\x1b]0;title\x07b",
    status: null,
    durationMs: 3,
  };
  expect(viewEvent({ type: "request", ...seen, code: null, fault: "cut" })).toBe(
    "12:00:00.000 GET    /ab no answer fault: cut 3 ms",
  );
});
