import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeDeb } from "../../scripts/releases/archives.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-packages-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(Bun.which("dpkg-deb") === null)("a package of Debian", () => {
  test.each([
    ["1.0.0-rc.1", "1.0.0"],
    ["1.0.0-rc.1", "1.0.0-rc.2"],
    ["1.0.0", "1.0.1-rc.1"],
  ])("of %s is older than one of %s", (older, newer) => {
    const versions = [older, newer].map((version) => {
      const [path, outfile] = [join(folder, "gpu"), join(folder, "gpu.deb")];
      writeFileSync(path, "");
      writeDeb(outfile, { path, version, date: new Date("2026-01-02"), architecture: "amd64", files: [] });
      return Bun.spawnSync(["dpkg-deb", "--field", outfile, "Version"]).stdout.toString().trim();
    });
    const [one = "", other = ""] = versions;
    expect(Bun.spawnSync(["dpkg", "--compare-versions", one, "lt", other]).exitCode).toBe(0);
  });
});
