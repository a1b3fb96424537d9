import type { World } from "../world.ts";
import { environmentVariables } from "../env.ts";
import type { Keys } from "./protocol.ts";

/** What providers read of the environment: keys and addresses of their APIs. A key of a CI server is none of these. */
const isProviders = /^(?!CI_|GPU_)[A-Z0-9]+_API_(KEY|URL|TOKEN)$/;

/** The variables that providers read; no child process gets them, the background process over its socket alone. */
export const providerVariables: readonly string[] = Object.keys(environmentVariables).filter((name) =>
  isProviders.test(name)
);

/** The keys that this process was given by its environment. */
export function keysOf({ env }: Pick<World, "env">): Keys {
  const found = providerVariables.map((name) => [name, env[name]] as const);
  return Object.fromEntries(found.filter((pair): pair is readonly [string, string] => Boolean(pair[1])));
}

/** The keys that runs and commands brought, in memory only: forgotten when the process ends. */
export class KeyRing {
  readonly #ofRuns = new Map<string, Keys>();
  /** Newest last, no two alike. */
  #others: Keys[] = [];

  remember(keys: Keys, run?: string): void {
    if (run !== undefined) this.#ofRuns.set(run, keys);
    const text = JSON.stringify(keys);
    this.#others = [...this.#others.filter((known) => JSON.stringify(known) !== text), keys].slice(-8);
  }

  /** What may open the account of this run's machines, best first: its own keys, the newest of others, none. */
  candidates(run: string): Keys[] {
    const own = this.#ofRuns.get(run);
    const others = this.#others.toReversed().filter((keys) => keys !== own);
    return [...(own ? [own] : []), ...others, ...(own || others.length > 0 ? [] : [{}])];
  }

  /** Forgets the keys of runs that have nothing any more. */
  keepOnly(runs: ReadonlySet<string>): void {
    for (const run of this.#ofRuns.keys()) if (!runs.has(run)) this.#ofRuns.delete(run);
  }
}
