import { readVariable } from "../env.ts";
import { UsageError } from "../errors.ts";
import type { ProviderRegistry } from "../provider/registry.ts";
import { didYouMean } from "../surface/suggest.ts";
import type { World } from "../world.ts";

/** Providers that are on this computer or reached by SSH alone: nobody there asks for a key. */
const keyless = new Set(["local", "ssh"]);

/** Where a person makes a key. */
const keyPages: Readonly<Record<string, string>> = { lambda: "https://cloud.lambda.ai/api-keys" };

/** Whether a provider asks for a key. */
export function needsKey(provider: string): boolean {
  return !keyless.has(provider);
}

/** The environment variable with a provider's key: `LAMBDA_API_KEY`. */
export function keyVariable(provider: string): string {
  return `${provider.toUpperCase().replaceAll("-", "_")}_API_KEY`;
}

/** The environment variable with the address of a provider's API. */
export function urlVariable(provider: string): string {
  return `${provider.toUpperCase().replaceAll("-", "_")}_API_URL`;
}

/** The page where keys of a provider are made, where it is known. */
export function keyPage(provider: string): string | undefined {
  return keyPages[provider];
}

/** The address of a provider's API as it is in force, where one is known. */
export function apiAddress(
  { env }: Pick<World, "env">,
  { provider, url }: { provider: string; url: string | undefined },
): string | undefined {
  const known = provider === "lambda" ? "https://cloud.lambda.ai" : undefined;
  const given = provider === "lambda" ? readVariable(env, "LAMBDA_API_URL") : env[urlVariable(provider)] || undefined;
  return given ?? url ?? known;
}

/** Throws when there is no such provider. */
export function checkProvider(registry: ProviderRegistry, name: string): void {
  if (Object.hasOwn(registry, name)) return;
  const names = Object.keys(registry);
  throw new UsageError(`there is no provider \`${name}\``, {
    hint: didYouMean(name, names, (word) => word) ?? `one of: ${names.join(", ")}`,
  });
}
