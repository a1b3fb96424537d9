/*
 * Makes a release in dist/release: `scripts/release [--dry-run] [--unsigned] [--url URL]`.
 *
 * GPU_RELEASE_KEY  private key of OpenSSH that signs the checksums; its public half goes into every executable, so that
 *                  `gpu upgrade` takes nothing else
 * GPU_RELEASE_URL  where releases are, also compiled in: these files go into its folders `v<version>` and `latest`
 */
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { compile, generateEmbedded, installPlatforms } from "./build.ts";
import { makeRelease, namesOf } from "./releases/make.ts";
import { type Release, thisRelease } from "./releases/release.ts";
import { root } from "./toolchain.ts";

const folder = join(root, "dist/release");
const { values: flags } = parseArgs({
  options: {
    "dry-run": { type: "boolean", default: false },
    unsigned: { type: "boolean", default: false },
    url: { type: "string", default: process.env.GPU_RELEASE_URL },
  },
});
const keyPath = flags.unsigned ? undefined : process.env.GPU_RELEASE_KEY;
const release = thisRelease();

printPlan(release);
if (flags["dry-run"]) process.exit(0);
if (keyPath === undefined && !flags.unsigned) {
  fail("there is no key: GPU_RELEASE_KEY names a private key of OpenSSH, or `--unsigned` does without one");
}
if (flags.url === undefined) fail("where will the files be? `--url https://…`, or GPU_RELEASE_URL");
await make(flags.url.replace(/\/+$/, "")).catch((error) => fail(error instanceof Error ? error.message : `${error}`));

function printPlan({ version, commit, isDirty, lastTag, subjects }: Release): void {
  console.log(`gpu ${version}, commit ${commit.slice(0, 12)}${isDirty ? " and changes that no commit has" : ""}`);
  console.log(`${subjects.length} commits since ${lastTag ?? "the beginning"}`);
  console.log(`into ${folder}:`);
  for (const name of namesOf(release, { isSigned: !flags.unsigned })) console.log(`  ${name}`);
}

async function make(url: string): Promise<void> {
  if (release.isDirty) console.error("warning: there are changes that no commit has; they will be in it");
  const startedAt = performance.now();
  const bunFor = installPlatforms();
  await generateEmbedded();
  await makeRelease({
    ...{ release, folder, url, keyPath },
    async compile({ platform, outfile, key }) {
      const executablePath = bunFor(platform);
      const define = { gpuReleaseKey: JSON.stringify(key ?? ""), gpuReleaseUrl: JSON.stringify(url) };
      await compile({ outfile, target: platform.target, executablePath, define });
      return executablePath;
    },
    say: (text) => console.log(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${text}`),
  });
}

function fail(why: string): never {
  console.error(`error: ${why}`);
  process.exit(1);
}
