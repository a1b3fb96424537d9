// Benchmarks that have parts, a file for each in a folder: `scripts/bench ssh [part]`, `scripts/bench ci [part]`.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/**
 * Runs one part, or all of them. A part is a file with a section: its default export is called with the words behind
 * its name, prints a table, and throws where something it needs is missing or a target is not met.
 */
export async function benchParts(folderName: string, [part, ...argv]: readonly string[]): Promise<void> {
  const folder = join(import.meta.dir, folderName);
  const parts = readdirSync(folder).filter((file) => existsSync(join(folder, file)) && isPart(file)).toSorted();
  const chosen = parts.filter((file) => part === undefined || file === `${part}.ts`);
  if (chosen.length === 0) throw new Error(`there is no part \`${part}\`, only ${parts.join(", ")}`);
  for (const file of chosen) {
    console.log(`\n${file.replace(/\.ts$/, "")}`);
    const { default: run }: { default(argv: readonly string[]): Promise<void> } = await import(join(folder, file));
    await run(argv).catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    });
  }
}

/** Parts have a name of one word; what they are made of has more. */
function isPart(file: string): boolean {
  return /^[a-z]+\.ts$/.test(file);
}
