import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const main = join(import.meta.dir, "../../src/main.ts");

function pack(cwd: string, ...argv: string[]) {
  const env = { PATH: process.env.PATH, HOME: cwd };
  return Bun.spawn([process.execPath, main, "ci", "pack", "--dir", "project", ...argv], {
    ...{ cwd, env, stdout: "pipe", stderr: "pipe" },
  });
}

test("`--output -` is the archive on standard output, and nothing else there", async () => {
  const home = mkdtempSync(join(tmpdir(), "pack-stdout-"));
  try {
    // More than a pipe holds.
    for (let count = 0; count < 20; count++) {
      await Bun.write(join(home, "project", `${count}.bin`), crypto.getRandomValues(new Uint8Array(60_000)));
    }
    writeFileSync(join(home, "project/prod.env"), "TOKEN=1234\n");
    const piped = pack(home, "--output", "-");
    const [bytes, said] = await Promise.all([new Response(piped.stdout).bytes(), new Response(piped.stderr).text()]);
    expect(await piped.exited).toBe(0);
    expect(said).toContain("21 files");
    expect(await pack(home, "--output", "project.zip").exited).toBe(0);
    expect(Buffer.from(bytes).equals(await Bun.file(join(home, "project.zip")).bytes())).toBe(true);
    expect(readdirSync(home)).not.toContain("-");
    // Who takes only the beginning, as `| head -c` does, ends it in order.
    const cut = pack(home, "--output", "-");
    const reader = cut.stdout.getReader();
    await reader.read();
    await reader.cancel();
    expect([await cut.exited, await new Response(cut.stderr).text()]).toEqual([
      0,
      expect.not.stringContaining("error"),
    ]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
