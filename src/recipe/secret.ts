import { NotFoundError } from "../errors.ts";
import { maskOf } from "../mask.ts";
import { currentRun } from "./current.ts";
import { waitedFor } from "./waiting.ts";

/**
 * Secrets of the user's own, by name: from the environment variable of that name, else what `gpu secret set` kept in
 * the system's keychain or in a file that only its owner may read. What was asked for is shown as stars from then on,
 * in everything that the run prints, logs, or fails with.
 *
 * ```ts
 * const token = await secrets.get("HF_TOKEN");
 * await box.$`huggingface-cli download meta-llama/Llama-3.1-8B`.env({ HF_TOKEN: token });
 * ```
 */
export const secrets = {
  /** The secret. Throws a `NotFoundError` that says how to set it where there is none. */
  get(name: string): Promise<string> {
    return waitedFor("secrets.get", async () => {
      const secret = await find(name);
      if (secret !== undefined) return secret;
      throw new NotFoundError(`there is no secret \`${name}\``, {
        hint: `\`gpu secret set ${name}\` keeps one; the environment variable \`${name}\` gives one for this run`,
      });
    });
  },
  /** The secret, or `undefined` where there is none. */
  find(name: string): Promise<string | undefined> {
    return waitedFor("secrets.find", () => find(name));
  },
} as const;

async function find(name: string): Promise<string | undefined> {
  const { findOwnSecret } = await import("../secrets.ts");
  const { world } = currentRun().context;
  const secret = await findOwnSecret(world, name);
  if (secret !== undefined) maskOf(world.terminal).add(secret);
  return secret;
}
