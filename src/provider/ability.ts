import { GpuError } from "../errors.ts";
import type { Provider } from "./provider.ts";

/** What only some providers can, or an error that says which one cannot do what. */
export function requireAbility<T>(provider: Provider, ability: T | undefined, what: string): T {
  if (ability !== undefined) return ability;
  throw new GpuError(`\`${provider.name}\` cannot ${what}`, { hint: "`--provider` names another one" });
}
