import type { Context } from "../../command.ts";
import { activeProfile, profileName } from "../../config.ts";
import { readVariable } from "../../env.ts";
import { UsageError } from "../../errors.ts";
import { isLoopback } from "../../http/request.ts";
import { type SecretPlace, writeSecret } from "../../secrets.ts";
import { askSecret, askText, canAsk } from "../../terminal/ask.ts";
import { ciClient } from "./client.ts";
import { checkedServer, defaultServer, keyInFile } from "./settings.ts";

export interface LoginOptions {
  readonly server?: string;
  readonly apiKey?: string;
  /** Ask the server whether it takes the key, before anything is kept. */
  readonly check: boolean;
  /** Writes the server's address into the profile. */
  keepServer(profile: string, server: string): Promise<void>;
}

export interface LoggedIn {
  readonly server: string;
  readonly profile: string;
  readonly place: SecretPlace;
  /** How many jobs the key shows. */
  readonly jobs: number | null;
  /** What a person should know. */
  readonly notes: string[];
}

/** Takes or asks for a server and a key, checks them, and keeps them for the profile in force. */
export async function logIn(context: Context, { check, keepServer, ...given }: LoginOptions): Promise<LoggedIn> {
  const { world, globals, signal, progress } = context;
  const config = await context.config();
  const profile = profileName(config, globals.profile);
  const known = Object.hasOwn(config.profiles, profile) ? activeProfile(config, profile).ci : undefined;
  const answers = await answersOf(context, given, known?.server);
  const server = checkedServer(answers.server).replace(/\/+$/, "");
  const client = ciClient({ world, server, apiKey: answers.apiKey, keyFrom: "this login", signal });
  progress(`asking ${server}`);
  const jobs = check ? (await client.listJobs()).length : null;
  progress(undefined);
  const place = await writeSecret(world, `ci:${profile}`, answers.apiKey);
  await keepServer(profile, server);
  const notes = [...await overridesOf(context, server, known?.apiKey), ...unencrypted(server)];
  return { server, profile, place, jobs, notes };
}

async function answersOf(
  { world: { terminal, env }, signal, attached }: Context,
  { server, apiKey }: { server?: string; apiKey?: string },
  known: string | undefined,
): Promise<{ server: string; apiKey: string }> {
  const isAsking = attached !== undefined && canAsk(terminal);
  const likely = readVariable(env, "CI_SERVER_URL") ?? known;
  if (!isAsking) {
    if (apiKey === undefined) {
      throw new UsageError("the key for the CI server is missing", { hint: "`--api-key -` reads it from stdin" });
    }
    const named = server ?? likely;
    if (named !== undefined) return { server: named, apiKey };
    throw new UsageError("the address of the CI server is missing", { hint: "`--server` names it" });
  }
  return {
    server: server ?? (await askText(terminal, {
      question: "Address of the CI server",
      flag: "--server",
      // A guess stands aside: who pastes an address has not to delete it first.
      ...(likely === undefined ? { placeholder: defaultServer } : { initial: likely }),
      complain: (answer) => (answer === "" && likely === undefined ? undefined : complaintOf(answer)),
      signal,
    }) || defaultServer),
    apiKey: apiKey ?? await askSecret(terminal, {
      question: "Your API key for it",
      flag: "--api-key",
      complain: (key) => (/^[\x21-\x7e]+$/.test(key) ? undefined : "a key has no spaces, and is not empty"),
      signal,
    }),
  };
}

function complaintOf(server: string): string | undefined {
  try {
    checkedServer(server);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : undefined;
  }
}

/** What goes before the key that was just kept, so that nobody wonders which one is used. */
async function overridesOf(
  { world }: Context,
  server: string,
  configured: string | undefined,
): Promise<string[]> {
  const { env } = world;
  const variable = readVariable(env, "CI_SERVER_URL");
  return [
    ...(readVariable(env, "CI_API_KEY") ? ["warning: `CI_API_KEY` is set and goes before this key"] : []),
    ...(await keyInFile(world) ? ["warning: `~/.ci/config` has a key, which goes before this one"] : []),
    ...(configured ? ["warning: the configuration has `ci.apiKey`, which goes before this key"] : []),
    ...(variable && variable.replace(/\/+$/, "") !== server
      ? [`warning: \`CI_SERVER_URL\` is set to ${variable}, which goes before this server`]
      : []),
  ];
}

function unencrypted(server: string): string[] {
  const { protocol, hostname } = new URL(server);
  if (protocol === "https:" || isLoopback(hostname)) return [];
  return ["warning: the server is asked over plain `http`: key and project can be read on the way"];
}
