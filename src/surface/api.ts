import type { z } from "zod";
import type { Command, CommandEntry, Context, Plan } from "../command.ts";
import { type CallRecord, stackHere } from "./call.ts";
import type { CallOptions } from "./child.ts";
import { perform } from "./perform.ts";

/** What the typed functions need of the run they are called in. */
export interface ApiScope {
  readonly context: Context;
  /** Starts a call and remembers it, so that the run knows of the ones that nobody awaited. */
  track<T>(record: CallRecord, start: (scope: ApiScope) => Promise<T>): Promise<T>;
  /** Refuses what costs more than the run may spend. What is returned is called when nothing was rented after all. */
  allow(action: { name: string; plan: Plan }): Promise<() => void>;
  /** What a call returns without being made: an instance of a run that is gone on from, or what is only planned. */
  instead?(call: InsteadOf): Promise<Instead | undefined> | undefined;
  /** Takes over what has to be closed when the run ends, unless it was disposed of before. What is returned forgets it. */
  own(handle: AsyncDisposable): () => void;
}

/** A call that may not have to be made. */
export interface InsteadOf {
  readonly command: Command;
  /** As the recipe writes it: `gpu.start`. */
  readonly name: string;
  readonly values: z.output<z.ZodObject>;
  readonly label: string | undefined;
  readonly context: Context;
}

/** The output of the command, which its handle is still made of; or a value that is returned as it is. */
export type Instead =
  | { readonly kind: "output"; readonly output: unknown }
  | { readonly kind: "value"; readonly value: unknown };

export type ApiFunction = (input?: unknown, options?: CallOptions) => Promise<unknown>;

/** Functions by the words of their command; where a name is both, a function that carries the others. */
export interface ApiTree {
  readonly [word: string]: ApiFunction | ApiTree;
}

/** One function for each command. `scope` is asked at each call, so helpers far from the recipe find their run. */
export function createApi(entries: readonly CommandEntry[], scope: () => ApiScope): ApiTree {
  const root: Branch = { below: new Map() };
  for (const entry of entries) {
    let branch = root;
    for (const word of entry.name.split(" ")) {
      let next = branch.below.get(word);
      if (next === undefined) branch.below.set(word, next = { below: new Map() });
      branch = next;
    }
    branch.entry = entry;
  }
  return treeBelow(root, scope);
}

/** A word of commands: that of the command that ends with it, and those that go on behind it. */
interface Branch {
  entry?: CommandEntry;
  readonly below: Map<string, Branch>;
}

/** The words of a command as a recipe writes them: `ssh-config` is `sshConfig`. */
export function memberName(word: string): string {
  return word.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function treeBelow({ below }: Branch, scope: () => ApiScope): ApiTree {
  const tree: Record<string, ApiFunction | ApiTree> = {};
  for (const [word, branch] of below) {
    const members = treeBelow(branch, scope);
    tree[memberName(word)] = branch.entry ? withMembers(createFunction(branch.entry, scope), members) : members;
  }
  return tree;
}

/** `defineProperty`, because a function has a `name` and a `length` of its own that cannot be assigned. */
function withMembers(call: ApiFunction, members: ApiTree): ApiFunction {
  for (const [word, value] of Object.entries(members)) {
    Object.defineProperty(call, word, { value, enumerable: true, configurable: true });
  }
  return call;
}

function createFunction(entry: CommandEntry, findScope: () => ApiScope): ApiFunction {
  const name = ["gpu", ...entry.name.split(" ").map(memberName)].join(".");
  const call: ApiFunction = (input = {}, options = {}) => {
    const scope = findScope();
    const record: CallRecord = {
      ...{ name, stack: stackHere(), isObserved: false, isSettled: false },
      ...{ label: options.label, isMinor: entry.effect === "read" && options.label === undefined },
      isQuiet: options.quiet ?? false,
    };
    return scope.track(record, (own) => perform({ entry, name, input, options, scope: own }));
  };
  return call;
}
