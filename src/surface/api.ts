import type { z } from "zod";
import type { Command, CommandEntry, Context, Plan } from "../command.ts";
import { GpuError, InterruptedError, LoginError, UsageError } from "../errors.ts";
import { validateInput } from "./api-input.ts";
import { type CallRecord, stackHere } from "./call.ts";
import { type CallOptions, childContext } from "./child.ts";
import { streamWithinTime, withinTime } from "./within-time.ts";

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

interface Performance {
  readonly entry: CommandEntry;
  readonly name: string;
  readonly input: unknown;
  readonly options: CallOptions;
  readonly scope: ApiScope;
}

async function perform({ entry, name, input, options, scope }: Performance): Promise<unknown> {
  const command = await entry.load();
  const values = validateInput({ name, schema: command.input, input, env: scope.context.world.env });
  const isStream = command.kind === "stream" && !command.isReadWhole;
  if (options.retry && (command.effect === "spend" || isStream)) {
    throw new UsageError(`\`${name}\` takes no \`retry\``, {
      hint: command.effect === "spend"
        ? "a repeated launch could rent twice: `gpu` itself tries again where that is safe"
        : "wrap the whole in `retry(…)`",
    });
  }
  const child = childContext(scope.context, options);
  const found = scope.instead?.({ command, name, values, label: options.label, context: child.context });
  const instead = found && await found;
  if (instead?.kind === "value") return instead.value;
  if (instead?.kind === "output" && command.kind === "value") {
    const { output } = instead;
    return owned(scope, command.handle ? joined(output, await command.handle(output, child.context)) : output);
  }
  const release = command.effect === "spend"
    ? await allowCost({ command, name, values, scope, context: child.context })
    : undefined;
  if (command.effect === "destroy") await refuseLoss({ command, name, values, context: child.context });
  try {
    if (command.kind === "stream" && isStream) {
      // Its time goes on until its last item, also where a handle reads it.
      let forget = () => {};
      const items = streamWithinTime({ name, child, options }, command.run(values, child.context), () => forget());
      if (command.handle) return owned(scope, await command.handle(items, child.context, values));
      forget = scope.own(items);
      return items;
    }
    return await withinTime(
      { name, child, options },
      () => attempt({ command, values, options, scope, context: child.context }),
    );
  } catch (error) {
    if (error instanceof GpuError && error.rentedNothing) release?.();
    throw error;
  } finally {
    scope.context.progress(undefined);
  }
}

async function allowCost(
  { command, name, values, scope, context }: {
    command: Command;
    name: string;
    values: z.output<z.ZodObject>;
    scope: ApiScope;
    context: Context;
  },
): Promise<(() => void) | undefined> {
  const plan = await command.plan?.(values, context);
  return plan?.costDollars ? await scope.allow({ name, plan }) : undefined;
}

/** Nobody can be asked in a recipe: what destroys more than the recipe's own needs a yes beforehand. */
async function refuseLoss(
  { command, name, values, context }: {
    command: Command;
    name: string;
    values: z.output<z.ZodObject>;
    context: Context;
  },
): Promise<void> {
  if (context.globals.yes) return;
  const plan = await command.plan?.(values, context);
  if (plan?.loss === undefined) return;
  throw new UsageError(`\`${name}\` would ${plan.action}, which loses ${plan.loss}`, {
    hint: "`box.stop()` stops what the recipe rented; `gpu run --yes` allows the rest",
  });
}

interface Attempt {
  readonly command: Command;
  readonly values: z.output<z.ZodObject>;
  readonly options: CallOptions;
  readonly scope: ApiScope;
  readonly context: Context;
}

async function attempt({ command, values, options, scope, context }: Attempt): Promise<unknown> {
  for (let left = options.retry ?? 0, pauseMs = 1000;; left--, pauseMs = Math.min(pauseMs * 2, 30_000)) {
    try {
      if (command.kind === "stream") {
        return owned(scope, await command.handle?.(command.run(values, context), context, values));
      }
      const output = await command.run(values, context);
      return owned(scope, command.handle ? joined(output, await command.handle(output, context)) : output);
    } catch (error) {
      if (left <= 0 || context.signal.aborted || !isWorthRepeating(error)) throw error;
      await context.world.clock.sleep(pauseMs, context.signal);
    }
  }
}

function isWorthRepeating(error: unknown): boolean {
  return error instanceof GpuError &&
    !(error instanceof UsageError || error instanceof LoginError || error instanceof InterruptedError);
}

function owned(scope: ApiScope, value: unknown): unknown {
  if (isAsyncDisposable(value)) scope.own(value);
  return value;
}

/** The output with the handle's methods. The handle stays itself, so that its getters and private fields go on working. */
function joined(output: unknown, handle: unknown): unknown {
  if (typeof handle !== "object" || handle === null || typeof output !== "object" || output === null) {
    return handle ?? output;
  }
  for (const [key, value] of Object.entries(output)) {
    if (!(key in handle)) Object.defineProperty(handle, key, { value, enumerable: true });
  }
  return handle;
}

function isAsyncDisposable(value: unknown): value is AsyncDisposable {
  return typeof value === "object" && value !== null && Symbol.asyncDispose in value &&
    typeof value[Symbol.asyncDispose] === "function";
}
