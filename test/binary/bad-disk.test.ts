import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { processesOf } from "../../scripts/traces.ts";
import { Home, useCompiled } from "./compiled.ts";

useCompiled();

const isRoot = process.getuid?.() === 0;
const canMount = isRoot && withTmpfs(() => true) === true;

test.skipIf(!canMount)("a full disk: says so, rents nothing", async () => {
  await using home = new Home();
  mkdirSync(home.stateFolder, { recursive: true });
  mount(home.stateFolder);
  try {
    fill(home.stateFolder);
    const { code, stderr } = await home.run(["start"]);
    expect(code).toBe(1);
    expect(stderr).toContain("full");
    expect(stderr.split("\n").filter((line) => line.startsWith("error:")).length).toBe(1);
    expect(processesOf(home.path)).toEqual([]);
  } finally {
    spawnSync("umount", ["-l", home.stateFolder]);
  }
});

test.skipIf(!isRoot)("a state folder that cannot be written: says which, rents nothing", async () => {
  await using home = new Home();
  mkdirSync(home.stateFolder, { recursive: true });
  for (const folder of [home.path, home.work]) chmodSync(folder, 0o755);
  chmodSync(home.stateFolder, 0o555);
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const { code, stderr } = await home.run(["start"], { through: nobody });
  expect(code).toBe(1);
  expect(stderr).toContain(home.stateFolder);
  expect(stderr).toContain("permission denied");
  expect(processesOf(home.path)).toEqual([]);
});

function mount(folder: string): boolean {
  return spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]).status === 0;
}

function fill(folder: string): void {
  try {
    writeFileSync(join(folder, "ballast"), Buffer.alloc(2 << 20));
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  }
}

/** Whether a container lets root mount is found out by doing it. */
function withTmpfs<T>(work: () => T): T | undefined {
  const folder = mkdtempSync(join(tmpdir(), "gpu-mount-"));
  try {
    if (!mount(folder)) return undefined;
    try {
      return work();
    } finally {
      spawnSync("umount", ["-l", folder]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
