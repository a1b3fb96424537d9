import { test } from "bun:test";
import { copyFileSync, linkSync } from "node:fs";
import { systemCode } from "../src/errors.ts";

/** `test`, or a skipped one that says why. `scripts/test` takes no skipped test in CI. */
export function testUnless(obstacle: string | undefined) {
  return (title: string, run: () => void | Promise<void>): void => {
    if (obstacle === undefined) test(title, run);
    else test.skip(`${title} (${obstacle})`, run);
  };
}

/** `test` where these programs are on the PATH. */
export function testWith(...programs: readonly string[]) {
  const missing = programs.filter((program) => Bun.which(program) === null);
  return testUnless(missing.length === 0 ? undefined : `there is no ${missing.join(", no ")} here`);
}

const isRoot = process.getuid?.() === 0;

/** Put before a command, it runs as somebody who is not root and owns nothing. Empty where the tests are not root's. */
export const asNobody: readonly string[] = isRoot
  ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
  : [];

/** `test` where files can be out of reach: root reads everything, so somebody else must be there to try. */
export const testAsNobody = process.platform === "win32"
  ? testUnless("Windows has no modes of files")
  : testWith(...asNobody.slice(0, 1));

/** Puts a file where everybody may come, in a folder of that kind, and returns its new path. */
export function withinReach(path: string, copy: string): string {
  try {
    linkSync(path, copy);
  } catch (error) {
    if (systemCode(error) !== "EXDEV" && systemCode(error) !== "EPERM") throw error;
    copyFileSync(path, copy);
  }
  return copy;
}
