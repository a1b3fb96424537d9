import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../../src/command.ts";
import packCommand from "../../src/commands/ci/pack.ts";

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

test("packing that is given up leaves nothing, and what a killed one would leave is not packed", async () => {
  const home = mkdtempSync(join(tmpdir(), "pack-given-up-"));
  try {
    for (let count = 0; count < 20; count++) {
      await Bun.write(join(home, `${count}.bin`), crypto.getRandomValues(new Uint8Array(1_000_000)));
    }
    // To look into these takes longer than to pack the first of those.
    for (let count = 0; count < 1500; count++) writeFileSync(join(home, `${count}.txt`), "nothing of a secret\n");
    const ending = new AbortController();
    const drafts: string[] = [];
    const context = {
      ...{ world: { cwd: home }, signal: ending.signal, note() {} },
      progress(text: string | undefined) {
        if (!text?.startsWith("packing") || ending.signal.aborted) return;
        drafts.push(...readdirSync(home).filter((name) => /\.(?:new|zip)$/.test(name)));
        ending.abort();
      },
    } as unknown as Context;
    const input = { dir: ".", output: "it.zip", list: false, ignore: true };
    await expect((async () => await packCommand.run(input, context))()).rejects.toThrow("abort");
    expect(drafts).toEqual([expect.stringMatching(/^\..*\.new$/)]);
    expect(readdirSync(home).filter((name) => /\.(?:new|zip)$/.test(name))).toEqual([]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("what went away while it was packed is not counted", async () => {
  const home = mkdtempSync(join(tmpdir(), "pack-gone-"));
  try {
    for (const name of ["stays.txt", "goes.txt"]) writeFileSync(join(home, name), "content");
    symlinkSync("nowhere", join(home, "link"));
    const notes: string[] = [];
    const context = {
      ...{ world: { cwd: home }, signal: new AbortController().signal, progress() {} },
      note(text: string) {
        // That the link leads nowhere is said when all is listed and nothing packed.
        rmSync(join(home, "goes.txt"), { force: true });
        notes.push(text);
      },
    } as unknown as Context;
    const input = { dir: ".", output: "it.zip", list: true, ignore: true };
    const { files, bytes, list } = await packCommand.run(input, context);
    expect(notes).toEqual(['left out: "link": it is a link to nothing', 'left out: "goes.txt" went away meanwhile']);
    expect({ files, bytes, list }).toEqual({ files: 1, bytes: 7, list: [{ name: "stays.txt", bytes: 7 }] });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("a file may have as long a name as the disk takes; a longer one is called that", async () => {
  const home = mkdtempSync(join(tmpdir(), "pack-name-"));
  try {
    await Bun.write(join(home, "project/main.py"), "print(1)\n");
    const longest = `${"n".repeat(251)}.zip`;
    expect(await pack(home, "--output", longest).exited).toBe(0);
    expect(readdirSync(home)).toContain(longest);
    const longer = pack(home, "--output", `n${longest}`);
    expect(await longer.exited).toBe(1);
    expect(await new Response(longer.stderr).text()).toEndWith("`: the name is too long\n");
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
