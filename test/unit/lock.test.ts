import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLocked, tryLock } from "../../src/lock.ts";

const folder = mkdtempSync(join(tmpdir(), "gpu-lock-"));
afterAll(() => rmSync(folder, { recursive: true }));

const module = join(import.meta.dir, "../../src/lock.ts");
const holder = join(folder, "holder.ts");
writeFileSync(
  holder,
  `import { tryLock } from ${JSON.stringify(module)};
   const lock = tryLock(process.argv[2]);
   Bun.gc(true);
   console.log(lock ? "held" : "busy");
   if (lock) setInterval(() => Bun.gc(true), 5);`,
);

async function startHolder(path: string) {
  const child = Bun.spawn([process.execPath, holder, path], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  return { child, says: Buffer.from(value ?? []).toString().trim() };
}

test("one process at a time holds it, and SIGKILL frees it at once", async () => {
  const path = join(folder, "one.lock");
  expect(isLocked(path)).toBe(false);
  const { child, says } = await startHolder(path);
  expect(says).toBe("held");
  await Bun.sleep(20); // The holder collects its garbage meanwhile: the lock must not be part of it.
  expect(isLocked(path)).toBe(true);
  expect(tryLock(path)).toBeUndefined();
  expect((await startHolder(path)).says).toBe("busy");
  child.kill("SIGKILL");
  await child.exited;
  expect(isLocked(path)).toBe(false);
  using lock = tryLock(path);
  expect(lock?.path).toBe(path);
});

test("it ends with its scope, and asking does not take it away", () => {
  const path = join(folder, "two.lock");
  {
    using lock = tryLock(path);
    expect(lock).toBeDefined();
    expect(isLocked(path)).toBe(true);
    expect(tryLock(path)).toBeUndefined();
    const { stdout } = Bun.spawnSync([process.execPath, holder, path]);
    expect(stdout.toString().trim()).toBe("busy");
  }
  expect(isLocked(path)).toBe(false);
});

test("its file is nobody else's to read", () => {
  const path = join(folder, "three.lock");
  tryLock(path)?.[Symbol.dispose]();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a folder that does not exist is an error, not a lock", () => {
  expect(() => tryLock(join(folder, "absent", "x"))).toThrow("ENOENT");
});
