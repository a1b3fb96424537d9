import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeAbandoned } from "../../scripts/abandoned.ts";

test("what killed builds left in dist is removed, and nothing that is in use", () => {
  const dist = mkdtempSync(join(tmpdir(), "gpu-dist-"));
  try {
    const long = new Date(Date.now() - 2 * 3_600_000);
    for (const name of ["types-AbC123", ".build-x1y2z3", "docs"]) {
      mkdirSync(join(dist, name));
      utimesSync(join(dist, name), long, long);
    }
    mkdirSync(join(dist, "types-New456"));
    removeAbandoned(dist);
    expect(readdirSync(dist).toSorted()).toEqual(["docs", "types-New456"]);
    removeAbandoned(join(dist, "not-there"));
  } finally {
    rmSync(dist, { recursive: true, force: true });
  }
});
