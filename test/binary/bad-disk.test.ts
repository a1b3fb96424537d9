import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { processesOf } from "../../scripts/traces.ts";
import { asNobody, testAsNobody, testUnless, withinReach } from "../needs.ts";
import { executable, Home, useCompiled } from "./compiled.ts";

useCompiled();

/** Runs `"$@"` with a file system at `$0` that is full, which nobody else sees and which ends with it. */
const withFullDisk = [
  "unshare",
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  'mount -t tmpfs -o size=1m tmpfs "$0" && { head -c 2097152 /dev/zero >"$0/ballast" 2>/dev/null; exec "$@"; }',
];

const cannotMount = spawnSync(withFullDisk[0] ?? "", [...withFullDisk.slice(1), "/tmp", "true"]).status !== 0;

testUnless(cannotMount ? "no disk can be mounted here" : undefined)(
  "a full disk: says so, rents nothing",
  async () => {
    await using home = new Home();
    mkdirSync(home.stateFolder, { recursive: true });
    const { code, stderr } = await home.run(["start"], { through: [...withFullDisk, home.stateFolder] });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("full") });
    expect(stderr.split("\n").filter((line) => line.startsWith("error:")).length).toBe(1);
    expect(processesOf(home.path)).toEqual([]);
  },
);

testAsNobody("a state folder that cannot be written: says which, rents nothing", async () => {
  await using home = new Home();
  mkdirSync(home.stateFolder, { recursive: true });
  for (const folder of [home.path, home.work]) chmodSync(folder, 0o755);
  const gpu = withinReach(executable, join(home.path, "gpu"));
  chmodSync(home.stateFolder, 0o555);
  const { code, stderr } = await home.run(["start"], { through: asNobody, file: gpu });
  chmodSync(home.stateFolder, 0o755);
  expect(code).toBe(1);
  expect(stderr).toContain(home.stateFolder);
  expect(stderr).toContain("permission denied");
  expect(processesOf(home.path)).toEqual([]);
});
