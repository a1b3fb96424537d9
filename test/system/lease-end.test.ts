import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// A lease of seconds on a real machine of this computer.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "gpu-lease-end-"));
const environment = {
  PATH: process.env.PATH,
  HOME: root,
  XDG_CONFIG_HOME: join(root, "config"),
  XDG_STATE_HOME: join(root, "state"),
  XDG_CACHE_HOME: join(root, "cache"),
  GPU_LOCAL_BOOT_MS: "20",
};

async function gpu(...argv: readonly string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(import.meta.dir, "../../src/main.ts"), ...argv], {
    cwd: root,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => said.stdout += chunk);
  child.stderr.on("data", (chunk) => said.stderr += chunk);
  return await new Promise((resolve) => child.once("close", (exitCode) => resolve({ exitCode, ...said })));
}

afterEach(async () => {
  await gpu("stop", "--all", "--yes");
  // The background process ends by itself once it holds nothing; its lock is then free.
  const state = join(root, "state/gpu");
  for (let waited = 0; existsSync(join(state, "background.sock")) && waited < 10_000; waited += 50) await Bun.sleep(50);
  rmSync(root, { recursive: true, force: true });
});

test("results are pulled from a real machine in time, also when the recipe ends meanwhile", async () => {
  writeFileSync(
    join(root, "train.ts"),
    `import { gpu } from "gpu";
     const begun = Promise.withResolvers<void>();
     const box = await gpu.start({ hours: 8 / 3600, name: "box" });
     await box.$\`echo 0.97 > accuracy\`;
     box.onLeaseEnd(async (box) => {
       begun.resolve();
       await Bun.sleep(500);
       await box.download("accuracy", "accuracy");
       await box.$\`true\`;
       await Bun.write("done", String(Date.now()));
     });
     await begun.promise;`,
  );
  const begun = Date.now();
  const { exitCode, stderr } = await gpu("run", "--no-check", "train.ts");
  expect(stderr).toStartWith("renting from `local`: a machine on this computer, $0.00/h\n");
  expect(stderr).not.toContain("error");
  expect(exitCode).toBe(0);
  expect(readFileSync(join(root, "accuracy"), "utf8")).toBe("0.97\n");
  expect(Number(readFileSync(join(root, "done"), "utf8")) - begun).toBeGreaterThan(4_000);
  const { stdout } = await gpu("log", "box", "--json");
  expect(JSON.parse(stdout).at(-1)).toMatchObject({ kind: "stopped", text: "the recipe is done with it" });
});
