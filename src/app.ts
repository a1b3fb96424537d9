import { commands } from "./commands.ts";
import type { Command, CommandEntry, Globals, View } from "./command.ts";
import { type OpenContext, openContext } from "./context.ts";
import { confirmPlan } from "./confirm.ts";
import { ClosedPipe, exitCodes, GpuError, InterruptedError, messageOf } from "./errors.ts";
import { type ProviderRegistry, providerRegistry } from "./provider/registry.ts";
import { findCommand, type Found } from "./surface/find.ts";
import { defaultGlobals } from "./surface/globals.ts";
import { render } from "./terminal/render.ts";
import type { World } from "./world.ts";

export interface AppOptions {
  readonly world: World;
  /** Fires when the process is told to end; its reason is an `InterruptedError`. */
  readonly signal: AbortSignal;
  readonly version: string;
  readonly entries?: readonly CommandEntry[];
  readonly registry?: ProviderRegistry;
  /** Sees each value that a command returned; tests compare it with the output schema. */
  readonly onOutput?: (command: Command, output: unknown) => void;
}

/** One invocation of `gpu`: finds the command, parses, runs and shows it. Returns the exit code; never throws. */
export async function runApp(argv: readonly string[], options: AppOptions): Promise<number> {
  let globals = guessGlobals(argv);
  try {
    const exitCode = await dispatch(argv, options, (parsed) => {
      globals = parsed;
    });
    return exitOf(argv, exitCode);
  } catch (error) {
    return exitOf(argv, await showError(error, globals, options));
  }
}

/** Scripts rely on it that `ci` commands end with 0, 1, 2 or 130 and nothing else. */
function exitOf(argv: readonly string[], exitCode: number): number {
  if (argv.find((word) => !word.startsWith("-")) !== "ci") return exitCode;
  if (exitCode === exitCodes.terminated || exitCode === exitCodes.hangup) return exitCodes.interrupted;
  return exitCode === exitCodes.usage || exitCode === exitCodes.interrupted
    ? exitCode
    : Math.min(exitCode, exitCodes.failed);
}

async function dispatch(
  argv: readonly string[],
  options: AppOptions,
  onGlobals: (globals: Globals) => void,
): Promise<number> {
  const { entries = commands } = options;
  if (argv[0] === "complete") return await answerTab(argv.slice(1), options);
  const found = findCommand(entries, argv);
  if (found.kind === "group") return await showGroup(found, options);
  return await invoke(await found.entry.load(), found.rest, { options, onGlobals });
}

interface Invocation {
  readonly options: AppOptions;
  readonly onGlobals: (globals: Globals) => void;
  /** Of the command that invokes this one: a recipe is run by `gpu run`. */
  readonly outer?: { readonly globals: Globals; readonly recipe: string };
}

async function invoke(command: Command, argv: readonly string[], invocation: Invocation): Promise<number> {
  const { options, onGlobals, outer } = invocation;
  const { world, registry = providerRegistry, entries = commands } = options;
  const { parseArguments } = await import("./surface/argv.ts");
  const parsed = parseArguments(command, argv, world.env);
  if (parsed.kind === "help") {
    const { commandHelp } = await import("./surface/help.ts");
    await world.terminal.stdout.write(`${commandHelp(command)}\n`);
    return exitCodes.done;
  }
  const globals = outer ? joinGlobals(outer.globals, parsed.globals) : parsed.globals;
  onGlobals(globals);
  await using opened = openContext({
    world,
    registry,
    entries,
    globals,
    signal: options.signal,
    recipe: outer?.recipe,
    invoke: (inner, innerArgv) =>
      invoke(inner, innerArgv, { options, onGlobals, outer: { globals, recipe: inner.name.replace(/^run /, "") } }),
  });
  await confirmPlan(command, parsed.input, opened.context);
  opened.exitCode = await opened.untilInterrupted(runAndShow(command, parsed.input, opened, options));
  return opened.exitCode;
}

/** Flags before a recipe's file hold for the recipe too. */
function joinGlobals(outer: Globals, inner: Globals): Globals {
  return {
    json: outer.json || inner.json,
    quiet: outer.quiet || inner.quiet,
    verbose: outer.verbose || inner.verbose,
    color: outer.color && inner.color,
    yes: outer.yes || inner.yes,
    provider: inner.provider ?? outer.provider,
    profile: inner.profile ?? outer.profile,
  };
}

async function runAndShow(
  command: Command,
  input: Record<string, unknown>,
  opened: OpenContext,
  options: AppOptions,
): Promise<number> {
  const { context } = opened;
  const show = (output: unknown) => {
    options.onOutput?.(command, output);
    return showOutput(command, output, opened);
  };
  if (command.kind === "value") {
    const output = await command.run(input, context);
    context.progress(undefined);
    await show(output);
    return command.exitCode?.(output) ?? exitCodes.done;
  }
  let last: unknown;
  for await (const item of command.run(input, context)) {
    await show(item);
    last = item;
  }
  context.progress(undefined);
  return last === undefined ? exitCodes.done : command.exitCode?.(last) ?? exitCodes.done;
}

async function showOutput(command: Command, output: unknown, { context, around }: OpenContext): Promise<void> {
  const { globals, world } = context;
  const { stdout, stderr } = world.terminal;
  if (globals.json) {
    const text = JSON.stringify(output, null, command.kind === "value" ? 2 : undefined);
    // A recipe printed its own result already; `gpu run` has nothing to add.
    if (text === undefined) return;
    return await around(() => stdout.write(`${text}\n`));
  }
  const view: View = command.view(output, { now: world.clock.now(), isTTY: stdout.isTTY, columns: stdout.columns });
  for (const { to, chunk } of render(view, { isTTY: stdout.isTTY, color: globals.color && stdout.isTTY })) {
    if (to === "stdout") await around(() => stdout.write(chunk));
    else if (!globals.quiet) await around(() => stderr.write(chunk));
  }
}

async function showGroup(found: Extract<Found<CommandEntry>, { kind: "group" }>, options: AppOptions): Promise<number> {
  const { world, version, entries = commands } = options;
  if (found.path.length === 0 && found.rest.includes("--version")) {
    await world.terminal.stdout.write(`gpu ${version}\n`);
    return exitCodes.done;
  }
  const { groupHelp } = await import("./surface/overview.ts");
  await world.terminal.stdout.write(`${groupHelp(entries, found.path)}\n`);
  return exitCodes.done;
}

async function answerTab(words: readonly string[], options: AppOptions): Promise<number> {
  const { complete } = await import("./surface/completion.ts");
  const { lookUp } = await import("./lookup.ts");
  await using opened = openContext({
    ...options,
    registry: options.registry ?? providerRegistry,
    entries: options.entries ?? commands,
    globals: { ...defaultGlobals, quiet: true },
    invoke: () => Promise.resolve(exitCodes.bug),
  });
  const typed = words[0] === "--" ? words.slice(1) : words;
  const answer = await complete(options.entries ?? commands, typed, (kind) => lookUp(kind, opened.context));
  await options.world.terminal.stdout.write(`${answer}\n`);
  return exitCodes.done;
}

/** Errors are printed here and nowhere else. */
async function showError(error: unknown, globals: Globals, options: AppOptions): Promise<number> {
  const { world, signal } = options;
  if (error instanceof SuppressedError) {
    // What failed first is what matters; that cleaning up failed as well is said after it.
    const exitCode = await showError(error.suppressed, globals, options);
    await showError(error.error, globals, options);
    return exitCode;
  }
  if (error instanceof ClosedPipe) return exitCodes.done;
  const isInterrupted = signal.aborted && signal.reason instanceof InterruptedError;
  const shown = isInterrupted && !(error instanceof InterruptedError) ? signal.reason : error;
  const known = shown instanceof GpuError ? shown : undefined;
  const kind = known?.kind ?? "bug";
  const message = known?.message ?? `gpu has a bug: ${messageOf(shown)}`;
  const hint = known ? known.hint : "`--verbose` shows where; please report it";
  const { stderr } = world.terminal;
  await stderr.write(
    globals.json ? `${JSON.stringify({ error: { kind, message, hint } })}\n` : errorText({ message, hint, kind }),
  )
    .catch(() => {});
  if (
    (globals.verbose || kind === "bug") && !globals.json && shown instanceof Error && shown.stack && globals.verbose
  ) {
    await stderr.write(`${shown.stack}\n`).catch(() => {});
  }
  return known?.exitCode ?? exitCodes.bug;
}

function errorText({ message, hint, kind }: { message: string; hint: string | undefined; kind: string }): string {
  return `${kind === "interrupted" ? "" : "error: "}${message}\n${hint ? `hint: ${hint}\n` : ""}`;
}

/** An error in the command line itself must be shown as it asks for, before the command line is understood. */
function guessGlobals(argv: readonly string[]): Globals {
  const dashes = argv.indexOf("--");
  const own = dashes < 0 ? argv : argv.slice(0, dashes);
  return { ...defaultGlobals, json: own.includes("--json"), verbose: own.includes("--verbose") };
}
