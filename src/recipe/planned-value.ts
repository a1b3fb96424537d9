import type { PlannedStep } from "./planner.ts";
import type { ShellOutput } from "./shell-output.ts";
import { createShell, type Executor, shellCommand } from "./shell.ts";

export interface PlannedParts {
  add(step: PlannedStep): void;
  /** Ends the plan: nothing is known of this. */
  ends(what: string): never;
}

/** Methods of handles that are planned, and what of their arguments says what they do. */
const methods: Readonly<Record<string, string>> = {
  upload: "copy there",
  download: "copy from there",
  sync: "make a folder there like one here",
  job: "start in the background",
  tunnel: "open a tunnel",
  extend: "extend the lease",
  keep: "keep the instance",
  stop: "stop it",
  close: "close it",
  wait: "wait for its end",
  result: "wait for its end",
};

/** Methods that begin something beside the recipe, or only say how things are. */
const silent: Readonly<Record<string, (parts: PlannedParts) => unknown>> = {
  every: (parts) => plannedValue("what `every` returns", parts),
  onLeaseEnd: () => undefined,
  log: () => nothing(),
  lines: () => nothing(),
  ci: () => ({ server: "http://127.0.0.1", apiKey: "known-when-it-runs" }),
};

/** A value of which nothing is known yet: its methods are planned, and reading anything of it ends the plan. */
export function plannedValue(what: string, parts: PlannedParts): object {
  const read = (key: string | symbol): unknown => {
    // Not a promise, so awaiting it is no reading.
    if (key === "then" || key === "catch" || key === "finally") return undefined;
    if (key === Symbol.asyncDispose || key === Symbol.dispose) return () => Promise.resolve();
    if (key === Symbol.asyncIterator || key === Symbol.iterator) return () => parts.ends(what);
    if (key === "$") return createShell("box.$", neverRun);
    if (key === "exec") return (command: string) => shellCommand("box.exec", command, neverRun);
    if (typeof key === "symbol") return undefined;
    const say = silent[key];
    if (say) return () => say(parts);
    const action = methods[key];
    if (action === undefined) return parts.ends(`\`${key}\` of ${what}`);
    return (...values: unknown[]) => {
      const said = values.filter((value) => typeof value === "string").join(" ");
      parts.add({
        call: `${handleName(what)}.${key}`,
        action: said === "" ? action : `${action}: ${said}`,
        costDollars: 0,
      });
      return Promise.resolve(plannedValue(`what \`${key}\` returns`, parts));
    };
  };
  return new Proxy({}, {
    get: (_, key) => read(key),
    has: () => parts.ends(`what is in ${what}`),
    ownKeys: () => parts.ends(`what is in ${what}`),
    // A handle that the run owns is closed by it.
    defineProperty: () => true,
  });
}

/** What a recipe would call it, by what returned it. */
function handleName(what: string): string {
  if (/`(?:gpu\.ci\.submit\.test|job)`/.test(what)) return "job";
  return /tunnel`/.test(what) ? "tunnel" : "box";
}

async function* nothing(): AsyncGenerator<never> {}

/** The shell of an instance that is not there: a plan answers before it is asked. */
const neverRun: Executor = (command) => Promise.reject(new Error(`\`${command}\` was run in a plan`));

/** What a command printed that was not run. */
export class PlannedOutput implements ShellOutput {
  readonly #ends: (what: string) => never;

  constructor(ends: (what: string) => never) {
    this.#ends = ends;
  }

  get exitCode(): number {
    return this.#ends("`exitCode`");
  }

  get exitCodes(): number[] {
    return this.#ends("`exitCodes`");
  }

  get stdout(): string {
    return this.#ends("`stdout`");
  }

  get stderr(): string {
    return this.#ends("`stderr`");
  }
}
