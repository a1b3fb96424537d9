import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namespace } from "../../src/upgrade/signature.ts";

export const sumsName = "SHA256SUMS";

/** Writes the checksums of files of a folder, in the form that `sha256sum --check` reads. */
export function writeChecksums(folder: string, names: readonly string[]): void {
  const lines = names.toSorted().map((name) =>
    `${createHash("sha256").update(readFileSync(join(folder, name))).digest("hex")}  ${name}\n`
  );
  writeFileSync(join(folder, sumsName), lines.join(""));
}

/** Signs the checksums with a private key of OpenSSH, beside them as `SHA256SUMS.sig`. */
export function signChecksums(folder: string, keyPath: string): void {
  // ssh-keygen would ask before it writes over one.
  rmSync(join(folder, `${sumsName}.sig`), { force: true });
  const { status, stderr } = spawnSync(
    "ssh-keygen",
    ["-q", "-Y", "sign", "-n", namespace, "-f", keyPath, join(folder, sumsName)],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`ssh-keygen could not sign: ${stderr}`);
}

/** The public half of a private key, as it stands in an authorized_keys file, without its comment. */
export function publicKeyOf(keyPath: string): string {
  const { status, stdout, stderr } = spawnSync("ssh-keygen", ["-y", "-f", keyPath], { encoding: "utf8" });
  if (status !== 0) throw new Error(`\`${keyPath}\` is no private key: ${stderr}`);
  return stdout.trim().split(" ").slice(0, 2).join(" ");
}
