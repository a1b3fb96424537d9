import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What the installers are written for. */
export interface InstallerParts {
  /** Where the files of the release are, without a slash at the end. */
  readonly url: string;
  /** Public key that the checksums are signed with; undefined where nobody signed them. */
  readonly key: string | undefined;
}

/** Writes `install.sh` and `install.ps1`, with the address and the key in them. */
export function writeInstallers(folder: string, { url, key = "" }: InstallerParts): void {
  // Both stand between quotes there.
  for (const text of [url, key]) {
    if (/[^\x21-\x7e ]|['"`$\\]/.test(text)) throw new Error(`\`${text}\` cannot stand in a script`);
  }
  for (const name of ["install.sh", "install.ps1"]) {
    const template = readFileSync(join(import.meta.dir, name), "utf8");
    writeFileSync(join(folder, name), template.replaceAll("@url@", url).replaceAll("@key@", key));
  }
  chmodSync(join(folder, "install.sh"), 0o755);
}
