import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// A process is started, and a busy computer takes its time.
setDefaultTimeout(30_000);

test.each([["home", 2], ["./x", 2], ["", 0]])("HOME=%p: nothing is kept below the current folder", (HOME, code) => {
  const cwd = mkdtempSync(join(tmpdir(), "gpu-home-"));
  try {
    const main = join(import.meta.dir, "../../src/main.ts");
    const env = { PATH: process.env.PATH, HOME, GPU_PROVIDER: "local" };
    const ran = Bun.spawnSync([process.execPath, main, "config", "path"], { cwd, env });
    expect(ran.exitCode).toBe(code);
    if (code !== 0) expect(ran.stderr.toString()).toContain(`\`HOME\` is "${HOME}", which is no absolute path`);
    expect(ran.stdout.toString()).not.toContain(cwd);
    // Bun's own folder is not of the compiled executable.
    expect(readdirSync(cwd, { recursive: true }).filter((path) => /\bgpu\b/.test(`${path}`))).toEqual([]);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
});
