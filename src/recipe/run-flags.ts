import { UsageError } from "../errors.ts";
import type { RunRequest } from "./start.ts";

type Change = Partial<RunRequest>;

/** Flags of `gpu run` that may stand behind the file, among those of the recipe. */
const switches: Readonly<Record<string, Change>> = {
  "--no-check": { check: false },
  "--dry-run": { dryRun: true },
  "--detach": { detach: true },
  "--watch": { watch: true },
};

const withValue: Readonly<Record<string, (text: string, flag: string) => Change>> = {
  "--resume": (resume) => ({ resume }),
  "--log-file": (logFile) => ({ logFile }),
  "--emulate": (text, flag) => {
    if (text === "lambda") return { emulate: text };
    throw new UsageError(`\`${flag}\` must be one of \`lambda\``);
  },
  "--chaos": (text, flag) => ({ chaos: numberOf(text, flag, 100) }),
  "--seed": (text, flag) => ({ seed: numberOf(text, flag, Number.MAX_SAFE_INTEGER) }),
};

/** Names of parameters that a recipe cannot have: behind the file they are the run's. */
export const runFlags: readonly string[] = [
  ...Object.keys(switches),
  ...Object.keys(withValue),
  "--keep-on-failure",
  "--faults",
];

/** Takes what is meant for `gpu run` itself out of the arguments behind the file; behind `--` nothing is. */
export function takeRunFlags(request: RunRequest): RunRequest {
  let taken = request;
  const left: string[] = [];
  const words = [...request.args];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--") {
      left.push(word, ...words.splice(0));
      break;
    }
    const [flag = "", ...rest] = word.split("=");
    const given = word.includes("=") ? rest.join("=") : undefined;
    const value = () => given ?? words.shift() ?? missing(flag);
    const change = switches[word];
    const read = withValue[flag];
    if (change) taken = { ...taken, ...change };
    else if (read) taken = { ...taken, ...read(value(), flag) };
    else if (flag === "--faults") taken = { ...taken, faults: [...taken.faults, value()] };
    else if (flag === "--keep-on-failure") {
      // Its number may be left out.
      const text = given ?? (/^\d+(\.\d+)?$/.test(words[0] ?? "") ? words.shift() : undefined) ?? "1";
      taken = { ...taken, keepOnFailure: numberOf(text, flag, 720) };
    } else left.push(word);
  }
  return { ...taken, args: left };
}

function missing(flag: string): never {
  throw new UsageError(`\`${flag}\` needs a value`, { hint: "`gpu run --help` says what it takes" });
}

function numberOf(text: string, flag: string, most: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= most) return value;
  throw new UsageError(`\`${flag}\` takes a number from 0 to ${most}, not \`${text}\``);
}
