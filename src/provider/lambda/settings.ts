import { createHash } from "node:crypto";
import { readVariable } from "../../env.ts";
import { LoginError, UsageError } from "../../errors.ts";
import { isLoopback } from "../../http/request.ts";
import type { World } from "../../world.ts";

/** What the configuration says of Lambda Cloud, and what asks for it. */
export interface LambdaSettings {
  readonly url?: string;
  /** Named first among the regions with capacity. */
  readonly region?: string;
  /** Whose key is meant. */
  readonly profile?: string;
  /** Says that a request waits for its turn. */
  readonly onProgress?: (text: string) => void;
}

const defaultUrl = "https://cloud.lambda.ai";

/** Where the API is, without a slash at the end: the environment's, else the configuration's, else Lambda's own. */
export function baseUrlOf(world: Pick<World, "env">, { url }: Pick<LambdaSettings, "url">): URL {
  const text = readVariable(world.env, "LAMBDA_API_URL") ?? url ?? defaultUrl;
  const parsed = URL.parse(text);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search !== "" || parsed.hash !== "") {
    throw new UsageError(`\`${text}\` cannot be the address of the Lambda Cloud API`, {
      hint: `it is \`${defaultUrl}\`, or what \`gpu emulate lambda\` prints; see \`LAMBDA_API_URL\``,
    });
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new UsageError("the address of the Lambda Cloud API holds a user or password", {
      hint: "put the key into `LAMBDA_API_KEY`, or run `gpu configure`",
    });
  }
  if (parsed.protocol === "http:" && !isLoopback(parsed.hostname)) {
    throw new UsageError(`\`${parsed.origin}\` would see the Lambda API key unencrypted`, {
      hint: "use an `https` address; `http` is for this computer only",
    });
  }
  return parsed;
}

/** Whether the API is an emulator on this computer: it needs no rate limit, and boots fast. */
export function isEmulator(world: Pick<World, "env">, settings: LambdaSettings): boolean {
  const url = URL.parse(readVariable(world.env, "LAMBDA_API_URL") ?? settings.url ?? defaultUrl);
  return url !== null && isLoopback(url.hostname);
}

/** The key: the environment's, else the one that was stored. */
export async function apiKeyOf(
  world: Pick<World, "env" | "clock" | "folders" | "keychain">,
  { profile }: Pick<LambdaSettings, "profile">,
): Promise<string> {
  const { readProviderKey } = await import("../../secrets.ts");
  const found = readVariable(world.env, "LAMBDA_API_KEY") ??
    await readProviderKey(world, { provider: "lambda", profile });
  const key = found?.trim() ?? "";
  if (key === "") {
    throw new LoginError("there is no API key for Lambda Cloud", {
      hint: "make one at https://cloud.lambda.ai/api-keys, then run `gpu configure` or set `LAMBDA_API_KEY`",
    });
  }
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new LoginError("the API key for Lambda Cloud has characters that no key has", {
    hint: "copy it again; `gpu configure` stores it, `LAMBDA_API_KEY` wins over what is stored",
  });
}

/** Tells accounts apart in names of files and rows without giving the key away. */
export function fingerprintOf(key: string): string {
  return createHash("sha256").update(`lambda ${key}`).digest("hex").slice(0, 12);
}
