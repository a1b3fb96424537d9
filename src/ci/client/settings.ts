import { join } from "node:path";
import { readVariable } from "../../env.ts";
import { UsageError } from "../../errors.ts";
import { readTextIfThere } from "../../files.ts";
import type { World } from "../../world.ts";

/** A CI server and its key, where they are known. */
export interface CiSettings {
  /** Address: `http://localhost:8000`. */
  readonly server?: string;
  /** The key of a user of it. */
  readonly apiKey?: string;
}

export const defaultServer = "http://localhost:8000";

/** Which server and key to use: flags, then environment, then `~/.ci/config` (key only), then the configuration. */
export async function ciSettings(
  world: Pick<World, "env" | "home">,
  { flags = {}, configured = {} }: { flags?: CiSettings; configured?: CiSettings } = {},
): Promise<FoundSettings> {
  const server = flags.server || readVariable(world.env, "CI_SERVER_URL") || configured.server || defaultServer;
  const variable = readVariable(world.env, "CI_API_KEY");
  const keys: readonly (readonly [key: string | undefined, from: string])[] = [
    // The command line knows the variable as the flag's value, too.
    [flags.apiKey, flags.apiKey === variable ? "`CI_API_KEY`" : "`--api-key`"],
    [variable, "`CI_API_KEY`"],
    [await keyInFile(world), "`~/.ci/config`"],
    [configured.apiKey, "the configuration"],
  ];
  const [apiKey, keyFrom] = keys.find(([key]) => key) ?? [];
  return { server: checkedServer(server), apiKey: checkedKey(apiKey), keyFrom };
}

/** A server, and a key with the place where it was found, in words. */
export interface FoundSettings {
  readonly server: string;
  readonly apiKey: string | undefined;
  readonly keyFrom: string | undefined;
}

/** The address of a CI server, or a `UsageError`. */
export function checkedServer(server: string): string {
  const url = URL.parse(server);
  if (url && (url.username !== "" || url.password !== "")) {
    throw new UsageError("the address of a CI server holds no user and no password", {
      hint: "`--api-key` or `CI_API_KEY` is how it knows you",
    });
  }
  if (url && (url.protocol === "http:" || url.protocol === "https:")) return server;
  throw new UsageError(`\`${server}\` is not the address of a CI server`, {
    hint: `write it like \`${defaultServer}\``,
  });
}

function checkedKey(key: string | undefined): string | undefined {
  // Others do not fit into the header that carries it.
  if (key === undefined || /^[\x20-\x7e]*$/.test(key)) return key;
  throw new UsageError("the key for the CI server has a character that no key has: a line break, or no ASCII", {
    hint: "copy it again, without the line's end",
  });
}

/** The line `api_key=…` of the existing client's file; no quotes and no comments, as there. */
export async function keyInFile({ home }: Pick<World, "home">): Promise<string | undefined> {
  const text = await readTextIfThere(join(home, ".ci", "config"));
  const line = text?.split("\n").map((each) => each.trim()).find((each) => each.startsWith("api_key="));
  return line?.slice("api_key=".length).trim() || undefined;
}
