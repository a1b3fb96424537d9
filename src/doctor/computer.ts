import { existsSync, lstatSync, readdirSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { configPath } from "../config.ts";
import { credentialsPath, listSecrets } from "../secrets.ts";
import type { World } from "../world.ts";
import { bytesText } from "../bytes-text.ts";
import type { Check, Finding } from "./check.ts";

/** Which `gpu` this is. */
export const versionCheck: Check = {
  name: "version",
  run: ({ world }) =>
    Promise.resolve({ status: "ok", detail: `gpu ${packageJson.version} on ${world.platform} ${world.arch}` }),
};

/** Folders and files of secrets are for their owner alone. */
export const foldersCheck: Check = {
  name: "folders",
  async run({ world }): Promise<Finding | readonly Finding[]> {
    if (world.platform === "win32") return { status: "ok", detail: "below your own profile" };
    const { config, state } = world.folders;
    const keys = existsSync(state) ? readdirSync(state).filter((name) => /^(journal\.db|id_)/.test(name)) : [];
    const paths = [config, state, configPath(world), credentialsPath(world), ...keys.map((name) => join(state, name))];
    const findings = paths.flatMap((path) => openToOthers(path));
    return findings.length > 0 ? findings : { status: "ok", detail: "for you alone" };
  },
};

function openToOthers(path: string): Finding[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSymbolicLink()) return [];
  const { uid } = userInfo();
  if (found.uid !== uid) {
    return [{ of: path, status: "fail", detail: "it belongs to somebody else", fix: `chown ${uid} ${path}` }];
  }
  if ((found.mode & 0o077) === 0) return [];
  const mode = found.isDirectory() ? "700" : "600";
  // A folder that others may list is no leak as long as what is in it is closed.
  const status = found.isDirectory() ? "warn" : "fail";
  return [{ of: path, status, detail: "others on this computer can look into it", fix: `chmod ${mode} ${path}` }];
}

const spaceToWarn = 1024 ** 3;
const spaceToFail = 50 * 1024 ** 2;

/** There is room for the journal: without it nothing is rented. */
export const diskCheck: Check = {
  name: "disk",
  async run({ world }): Promise<Finding> {
    const folder = nearest(world.folders.state);
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const detail = `${bytesText(free)} are free in ${folder}`;
    if (free >= spaceToWarn) return { status: "ok", detail };
    return {
      status: free < spaceToFail ? "fail" : "warn",
      detail,
      fix: "make room: nothing is rented without a journal",
    };
  },
};

function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

/** Where secrets are kept, and that the keychain opens. */
export const keychainCheck: Check = {
  name: "keychain",
  async run({ world }): Promise<Finding> {
    const secrets = await listSecrets(world);
    const inFile = secrets.filter(({ place }) => place === "file").map(({ name }) => name);
    const inKeychain = secrets.length - inFile.length;
    const problem = await keychainProblem(world);
    if (problem !== undefined && inKeychain > 0) {
      return {
        status: "fail",
        detail: `the system's keychain does not open: ${problem}; secrets that are in it: ${inKeychain}`,
        fix: "unlock it, or store them again with `gpu configure`",
      };
    }
    const file = inFile.length === 0 ? "" : `; in ${credentialsPath(world)}: ${inFile.join(", ")}`;
    if (problem !== undefined) return { status: "ok", detail: `${problem}, so secrets go into a file${file}` };
    return { status: "ok", detail: `it opens; secrets that are there: ${inKeychain}${file}` };
  },
};

async function keychainProblem({ keychain }: Pick<World, "keychain">): Promise<string | undefined> {
  if (keychain === undefined) return "there is none";
  try {
    await keychain.get("doctor");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
