import { join } from "node:path";
import { z } from "zod";
import { GpuError, LoginError, messageOf, UsageError } from "./errors.ts";
import { readTextIfThere, writeWhole } from "./files.ts";
import { ownSecretPattern } from "./secret-name.ts";
import type { Keychain, World } from "./world.ts";

/** What secrets need of the world. */
export type SecretWorld = Pick<World, "clock" | "folders" | "keychain">;

export type SecretPlace = "keychain" | "file";

/**
 * `credentials.json`, readable by its owner alone: each secret, or that it is in the keychain. Only what it says is in
 * the keychain is looked for there, so nothing else ever waits for one.
 */
const Credentials = z.record(
  z.string(),
  z.union([z.strictObject({ value: z.string() }), z.strictObject({ in: z.literal("keychain") })]),
);
type Credentials = z.output<typeof Credentials>;

// A person may have to unlock it first.
const keychainTimeoutMs = 10_000;

export function credentialsPath({ folders }: Pick<World, "folders">): string {
  return join(folders.config, "credentials.json");
}

/** A secret by its name: `lambda`, `lambda:work`, `ci:default`, `statusDaemon`. */
export async function readSecret(world: SecretWorld, name: string): Promise<string | undefined> {
  const entry = own(await readCredentials(world), name);
  if (entry === undefined) return undefined;
  if ("value" in entry) return entry.value;
  const { keychain } = world;
  if (keychain === undefined) throw keychainError(name, "this session has none", undefined);
  try {
    return await inTime(world, keychain.get(keychainName(world, name)));
  } catch (error) {
    throw keychainError(name, messageOf(error), error);
  }
}

/** The key of a provider: the profile's own, else the one that all profiles share. */
export async function readProviderKey(
  world: SecretWorld,
  { provider, profile }: { provider: string; profile: string | undefined },
): Promise<string | undefined> {
  const own = profile === undefined ? undefined : await readSecret(world, `${provider}:${profile}`);
  return own ?? await readSecret(world, provider);
}

/** Keeps a secret: in the system's keychain where that works, else in a file that only its owner may read. */
export async function writeSecret(world: SecretWorld, name: string, value: string): Promise<SecretPlace> {
  const isInKeychain = world.keychain !== undefined && await putInKeychain(world, world.keychain, { name, value });
  await changeCredentials(world, (credentials) => ({
    ...credentials,
    [name]: isInKeychain ? { in: "keychain" } : { value },
  }));
  return isInKeychain ? "keychain" : "file";
}

/** Forgets a secret; false when there was none. */
export async function deleteSecret(world: SecretWorld, name: string): Promise<boolean> {
  const entry = own(await readCredentials(world), name);
  if (entry === undefined) return false;
  if ("in" in entry && world.keychain) {
    try {
      await inTime(world, world.keychain.delete(keychainName(world, name)));
    } catch (error) {
      throw keychainError(name, messageOf(error), error);
    }
  }
  await changeCredentials(world, ({ [name]: _, ...others }) => others);
  return true;
}

/** Names of the secrets that are kept, and where; never what they are. */
export async function listSecrets(world: SecretWorld): Promise<{ name: string; place: SecretPlace }[]> {
  return Object.entries(await readCredentials(world)).map(([name, entry]) => ({
    name,
    place: "value" in entry ? "file" : "keychain",
  }));
}

/** Whether the keychain took it and gives it back: a locked one may do neither. */
async function putInKeychain(
  world: SecretWorld,
  keychain: Keychain,
  { name, value }: { name: string; value: string },
): Promise<boolean> {
  const account = keychainName(world, name);
  try {
    await inTime(world, keychain.set(account, value));
    return await inTime(world, keychain.get(account)) === value;
  } catch {
    return false;
  }
}

/** Two configuration folders do not share their secrets. */
function keychainName({ folders }: Pick<World, "folders">, name: string): string {
  return `${name} of ${folders.config}`;
}

async function inTime<T>({ clock }: SecretWorld, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = clock.sleep(keychainTimeoutMs, over.signal).then(() => {
    throw new Error(`no answer in ${keychainTimeoutMs / 1000} s`);
  });
  late.catch(() => {}); // It loses the race when the keychain answers.
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

function keychainError(name: string, why: string, cause: unknown): LoginError {
  return new LoginError(`the secret \`${name}\` is in the system's keychain, which does not give it: ${why}`, {
    hint: "unlock the keychain, or give the secret in its environment variable",
    cause,
  });
}

async function readCredentials(world: SecretWorld): Promise<Credentials> {
  return parseCredentials(world, await readTextIfThere(credentialsPath(world)));
}

async function changeCredentials(world: SecretWorld, change: (before: Credentials) => Credentials): Promise<void> {
  const { exclusively } = await import("./exclusive.ts");
  await exclusively(world, async () => {
    const changed = change(await readCredentials(world));
    await writeWhole(credentialsPath(world), `${JSON.stringify(changed, null, 2)}\n`);
  });
}

// What is wrong with it is not said in the parser's words: those may repeat a secret.
function parseCredentials(world: SecretWorld, text: string | undefined): Credentials {
  const parsed = Credentials.safeParse(text === undefined ? {} : jsonOf(text));
  if (parsed.success) return parsed.data;
  const path = credentialsPath(world);
  throw new GpuError(`\`${path}\` is not what gpu wrote there`, {
    hint: "move it away and run `gpu configure` again",
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function own(credentials: Credentials, name: string): Credentials[string] | undefined {
  return Object.hasOwn(credentials, name) ? credentials[name] : undefined;
}

/** A secret of the user's own: from the environment, else what `gpu secret set` kept. */
export async function findOwnSecret(
  world: SecretWorld & Pick<World, "env">,
  name: string,
): Promise<string | undefined> {
  checkOwnSecretName(name);
  return world.env[name] || await readSecret(world, name);
}

/** Refuses what is no name for a secret of the user's own. */
export function checkOwnSecretName(name: string): void {
  if (ownSecretPattern.test(name)) return;
  throw new UsageError(`\`${name}\` is not a name for a secret`, {
    hint: "capital letters, digits and `_`, as of an environment variable: `HF_TOKEN`",
  });
}

/** Secrets of the user's own that are kept, and where. */
export async function listOwnSecrets(world: SecretWorld): Promise<{ name: string; place: SecretPlace }[]> {
  return (await listSecrets(world)).filter(({ name }) => ownSecretPattern.test(name));
}
