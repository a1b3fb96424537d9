import type { z } from "zod";
import type { Command, CommandEntry, Context } from "../command.ts";
import { GpuError, InterruptedError, LoginError, UsageError } from "../errors.ts";
import type { ApiScope } from "./api.ts";
import { validateInput } from "./api-input.ts";
import { type CallOptions, childContext } from "./child.ts";
import { streamWithinTime, withinTime } from "./within-time.ts";

interface Performance {
  readonly entry: CommandEntry;
  readonly name: string;
  readonly input: unknown;
  readonly options: CallOptions;
  readonly scope: ApiScope;
}

/** Does what a call of a recipe asks for: checks it against budget and losses, repeats it, and makes its handle. */
export async function perform({ entry, name, input, options, scope }: Performance): Promise<unknown> {
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
