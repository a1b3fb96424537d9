// Installs the dependencies exactly as bun.lock has them; one process at a time.
import { Database } from "bun:sqlite";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./toolchain.ts";

const stampPath = join(root, "node_modules/.installed");
const toolchain = join(root, ".toolchain");

mkdirSync(toolchain, { recursive: true });
// The system frees this lock when its process dies, however it dies.
using lock = new Database(join(toolchain, "install.lock"));
lock.run("PRAGMA busy_timeout = 600000");
lock.run("BEGIN EXCLUSIVE");

const wanted = readFileSync(join(root, "package.json"), "utf8") + readFileSync(join(root, "bun.lock"), "utf8");
if (installed() !== wanted) {
  rmSync(stampPath, { force: true });
  const arguments_ = ["install", "--frozen-lockfile", "--ignore-scripts"];
  const { status, stdout, stderr } = spawnSync(process.execPath, arguments_, { cwd: root, encoding: "utf8" });
  if (status !== 0) {
    console.error(`installing the dependencies failed:\n${stdout}${stderr}`);
    process.exit(1);
  }
  writeFileSync(stampPath, wanted);
}

function installed(): string | undefined {
  try {
    return readFileSync(stampPath, "utf8");
  } catch {
    return undefined;
  }
}
