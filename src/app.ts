import type { SharedSessions } from "./background/shared-sessions.ts";
import { commands } from "./commands.ts";
import type { Command, CommandEntry, Context, Globals, Place, Plan, View } from "./command.ts";
import { type OpenContext, openContext } from "./context.ts";
import { confirmPlan } from "./confirm.ts";
import { ClosedPipe, exitCodes, GpuError, InterruptedError, messageOf, UsageError } from "./errors.ts";
import { maskOf } from "./mask.ts";
import { type ProviderRegistry, providerRegistry } from "./provider/registry.ts";
import { findCommand, type Found } from "./surface/find.ts";
import { defaultGlobals, globalParams } from "./surface/globals.ts";
import { didYouMean } from "./surface/suggest.ts";
import { render } from "./terminal/render.ts";
import { safeText } from "./safe-text.ts";
import type { World } from "./world.ts";

export interface AppOptions {
  readonly world: World;
  /** Fires when the process is told to end; its reason is an `InterruptedError`. */
  readonly signal: AbortSignal;
  readonly version: string;
  readonly entries?: readonly CommandEntry[];
  readonly registry?: ProviderRegistry;
  /** Sessions that outlive it, in the background process. */
  readonly shared?: SharedSessions;
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
    return exitOf(argv, exitCode, options);
  } catch (error) {
    return exitOf(argv, await showError(error, globals, options), options);
  }
}

/** Scripts rely on it that `ci` commands end with 0, 1, 2 or 130 and nothing else. */
function exitOf(argv: readonly string[], exitCode: number, { entries = commands }: AppOptions): number {
  if (!isCi(entries, argv)) return exitCode;
  if (exitCode === exitCodes.terminated || exitCode === exitCodes.hangup) return exitCodes.interrupted;
  return exitCode === exitCodes.usage || exitCode === exitCodes.interrupted
    ? exitCode
    : Math.min(exitCode, exitCodes.failed);
}

function isCi(entries: readonly CommandEntry[], argv: readonly string[]): boolean {
  try {
    const found = findCommand(entries, argv);
    return found.kind === "command" ? found.entry.name.startsWith("ci ") : found.path[0] === "ci";
  } catch {
    return argv.includes("ci"); // What is no command at all ends as a usage error either way.
  }
}

async function dispatch(
  argv: readonly string[],
  options: AppOptions,
  onGlobals: (globals: Globals) => void,
): Promise<number> {
  const { entries = commands } = options;
  if (argv[0] === "complete") return await answerTab(argv.slice(1), options);
  // `gpu help start` and `gpu version` are what people type first elsewhere.
  if (argv[0] === "help" && argv.includes("--man")) return await showMan(argv.slice(1), options);
  if (argv[0] === "help") {
    return await showTopic(argv.slice(1), options) ?? await dispatch([...argv.slice(1), "--help"], options, onGlobals);
  }
  const found = findCommand(entries, argv.length === 1 && argv[0] === "version" ? ["--version"] : argv);
  if (found.kind === "group") return await showGroup(found, options);
  using _ahead = await found.entry.ahead?.(found.rest, options);
  return await invoke(await found.entry.load(), found.rest, { options, onGlobals });
}

interface Invocation {
  readonly options: AppOptions;
  readonly onGlobals: (globals: Globals) => void;
  /** Of the command that invokes this one: a recipe is run by `gpu run`. */
  readonly outer?: { readonly globals: Globals; readonly recipe: string; readonly runId?: string | undefined };
}

async function invoke(command: Command, argv: readonly string[], invocation: Invocation): Promise<number> {
  const { options, onGlobals, outer } = invocation;
  const { world, registry = providerRegistry, entries = commands } = options;
  const { plainWords, toArguments } = await import("./surface/arguments.ts");
  const words = plainWords(command, argv) ?? (await import("./surface/argv.ts")).parseWords(command, argv);
  const parsed = toArguments(command, words, world.env);
  if (parsed.kind === "help") {
    const { commandHelp } = await import("./surface/help.ts");
    const { pageWidth } = await import("./surface/reflow.ts");
    const { stdout } = world.terminal;
    await stdout.write(`${commandHelp(command, { width: pageWidth(stdout) })}\n`);
    return exitCodes.done;
  }
  const globals = inTheseColors(outer ? joinGlobals(outer.globals, parsed.globals) : parsed.globals, world);
  // Behind a recipe they are the recipe's, which is not known yet: what goes wrong until then is said as they ask.
  const guessed = guessGlobals(argv);
  onGlobals({ ...globals, json: globals.json || guessed.json, verbose: globals.verbose || guessed.verbose });
  const open = (place: Place): OpenContext =>
    openContext({
      ...place,
      entries,
      signal: options.signal,
      shared: options.shared,
      recipe: outer?.recipe,
      runId: outer?.runId,
      invoke: (inner, innerArgv, given) =>
        invoke(inner, innerArgv, {
          options: { ...options, world: place.world, registry: place.registry },
          onGlobals,
          outer: { globals: place.globals, recipe: inner.name.replace(/^run /, ""), runId: given?.runId },
        }),
      apart: open,
    });
  await using opened = open({ world, registry, globals });
  try {
    await checkProfile(command, opened.context);
    const accepted = await opened.untilInterrupted(confirmPlan(command, parsed.input, opened.context));
    const work = runAndShow(command, parsed.input, { opened, accepted, options });
    opened.exitCode = await (command.endsInItsTime ? work : opened.untilInterrupted(work));
  } catch (error) {
    // The journal says how it ended, also when it failed.
    opened.exitCode = error instanceof GpuError ? error.exitCode : exitCodes.bug;
    opened.failure = error;
    throw error;
  }
  return opened.exitCode;
}

/** A profile that is not there is refused, also where flag or variable say which provider is meant. */
async function checkProfile({ takesNewProfile = false }: Command, { globals, config }: Context): Promise<void> {
  if (globals.profile === undefined || takesNewProfile) return;
  const { activeProfile } = await import("./config.ts");
  // That a configuration is broken is the command's own matter: stopping works without one.
  const configured = await config().catch(() => undefined);
  if (configured) activeProfile(configured, globals.profile);
}

/** `NO_COLOR` (no-color.org) and a terminal that knows no colour say the same as `--no-color`. */
function inTheseColors(globals: Globals, { env }: World): Globals {
  return { ...globals, color: globals.color && !env.NO_COLOR && env.TERM !== "dumb" };
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
  { opened, accepted, options }: { opened: OpenContext; accepted: Plan | undefined; options: AppOptions },
): Promise<number> {
  const context: Context = { ...opened.context, accepted };
  const show = (output: unknown) => {
    options.onOutput?.(command, output);
    return showOutput({ command, input, output }, opened);
  };
  if (command.kind === "value" && command.refreshMs !== undefined && input.watch === true) {
    return await watch({ command, input, opened, refreshMs: command.refreshMs, show });
  }
  if (command.kind === "value") {
    const output = await command.run(input, context);
    context.progress(undefined);
    await show(output);
    return command.exitCode?.(output) ?? exitCodes.done;
  }
  const codes: number[] = [];
  for await (const item of command.run(input, context)) {
    await show(item);
    if (!command.joinExitCodes) codes.length = 0;
    codes.push(command.exitCode?.(item) ?? exitCodes.done);
  }
  context.progress(undefined);
  return command.joinExitCodes?.(codes) ?? codes.at(-1) ?? exitCodes.done;
}

interface Watched {
  readonly command: Extract<Command, { kind: "value" }>;
  readonly input: Record<string, unknown>;
  readonly opened: OpenContext;
  readonly refreshMs: number;
  show(output: unknown): Promise<void>;
}

/** Runs and shows it again and again; Ctrl-C is its normal end. */
async function watch({ command, input, opened, refreshMs, show }: Watched): Promise<number> {
  const { world: { terminal: { stdout }, clock }, signal, globals } = opened.context;
  try {
    if (stdout.isTTY && !globals.json) {
      const { watchOnScreen } = await import("./terminal/watch.ts");
      return await watchOnScreen(command, { input, context: opened.context, refreshMs });
    }
    for (;;) {
      await show(await command.run(input, opened.context));
      await clock.sleep(refreshMs, signal);
    }
  } catch (error) {
    if (signal.aborted && signal.reason instanceof InterruptedError && signal.reason.signal === "SIGINT") {
      return exitCodes.done;
    }
    throw error;
  }
}

async function showOutput(
  { command, input, output }: { command: Command; input: Record<string, unknown>; output: unknown },
  { context, around }: OpenContext,
): Promise<void> {
  const { globals, world } = context;
  const { stdout, stderr } = world.terminal;
  const mask = maskOf(world.terminal);
  if (globals.json) {
    const isLine = command.kind === "stream" || command.refreshMs !== undefined && input.watch === true;
    const json = jsonOf(output, isLine ? undefined : 2);
    // A recipe printed its own result already; `gpu run` has nothing to add.
    if (json === undefined) return;
    return await around(() => stdout.write(`${mask.text(json)}\n`));
  }
  const { isTTY, columns } = stdout;
  const view: View = command.view(output, { now: world.clock.now(), isTTY, columns, isColored: globals.color });
  for (const { to, chunk } of render(view, { isTTY: stdout.isTTY, columns: stdout.columns, color: globals.color })) {
    const shown = typeof chunk === "string" ? mask.text(chunk) : chunk;
    if (to === "stdout") await around(() => stdout.write(shown));
    else if (!globals.quiet) await around(() => stderr.write(shown));
  }
}

/** A recipe may return what JSON has no words for. */
function jsonOf(output: unknown, indent: number | undefined): string | undefined {
  try {
    return JSON.stringify(output, null, indent);
  } catch (error) {
    throw new GpuError(`the result cannot be printed as JSON: ${messageOf(error)}`, {
      hint: "return text, numbers, booleans, and lists and objects of them",
      cause: error,
    });
  }
}

/** `gpu help recipes`; undefined where that is no topic. */
async function showTopic(argv: readonly string[], { world }: AppOptions): Promise<number | undefined> {
  const [name = "", ...others] = argv;
  if (others.some((word) => word !== "--no-color")) return undefined;
  const { topicText } = await import("./surface/topics.ts");
  const { pageWidth } = await import("./surface/reflow.ts");
  const { stdout } = world.terminal;
  const { color } = inTheseColors({ ...defaultGlobals, color: others.length === 0 }, world);
  const text = await topicText(name, { isColored: stdout.isTTY && color, width: pageWidth(stdout) });
  if (text === undefined) return undefined;
  await stdout.write(`${text}\n`);
  return exitCodes.done;
}

/** `gpu help --man` prints gpu(1), `gpu help --man start` the page of a command. */
async function showMan(argv: readonly string[], { world, version, entries = commands }: AppOptions): Promise<number> {
  const { topicNames } = await import("./surface/topics.ts");
  const topic = argv.find((word) => topicNames.includes(word));
  if (topic !== undefined && !entries.some(({ name }) => name === topic)) {
    throw new UsageError(`\`${topic}\` is no command, so it has no man page`, {
      hint: `\`gpu help ${topic}\` explains it`,
    });
  }
  const found = findCommand(entries, argv.filter((word) => word !== "--man"));
  if (found.rest.length > 0) throw new UsageError(`\`gpu help --man\` does not take \`${found.rest.join(" ")}\``);
  const { manOverview, manPage } = await import("./surface/man.ts");
  const { environmentVariables, readVariable } = await import("./env.ts");
  const seconds = Number(readVariable(world.env, "SOURCE_DATE_EPOCH"));
  const date = Number.isInteger(seconds) && seconds >= 0 ? seconds * 1000 : world.clock.now();
  const options = { version, date, variables: environmentVariables };
  const page = found.kind === "command" ? manPage(await found.entry.load(), options) : manOverview(
    entries.filter(({ name }) => `${name} `.startsWith(found.path.length === 0 ? "" : `${found.path.join(" ")} `)),
    options,
  );
  await world.terminal.stdout.write(`${page}\n`);
  return exitCodes.done;
}

async function showGroup(found: Extract<Found<CommandEntry>, { kind: "group" }>, options: AppOptions): Promise<number> {
  const { world, version, entries = commands } = options;
  if (found.path.length === 0 && found.rest.includes("--version")) {
    await world.terminal.stdout.write(`gpu ${version}\n`);
    return exitCodes.done;
  }
  refuseFlags(found);
  if (found.path.length === 0 && !found.rest.some((word) => word === "--help" || word === "-h")) {
    const { nextSteps } = await import("./next-steps.ts");
    await world.terminal.stdout.write(`${await nextSteps(world)}\n`);
    return exitCodes.done;
  }
  const { groupHelp } = await import("./surface/overview.ts");
  const { pageWidth } = await import("./surface/reflow.ts");
  const { stdout } = world.terminal;
  await stdout.write(`${groupHelp(entries, found.path, { width: pageWidth(stdout) })}\n`);
  return exitCodes.done;
}

/** Only help can be asked of a group; a mistyped flag is no wish for it. */
function refuseFlags({ path, rest }: Extract<Found<CommandEntry>, { kind: "group" }>): void {
  const known = [
    "--help",
    "-h",
    ...globalParams.flatMap(({ flag, short }) => [`--${flag}`, `--no-${flag}`, `-${short}`]),
  ];
  const valueFlags = globalParams.filter(({ type }) => type === "string").map(({ flag }) => `--${flag}`);
  const wrong = rest.find((word, index) =>
    !known.includes(word.split("=")[0] ?? "") && !valueFlags.includes(rest[index - 1] ?? "")
  );
  if (wrong === undefined) return;
  const called = ["gpu", ...path].join(" ");
  const flags = [...known, ...(path.length === 0 ? ["--version"] : [])].filter((flag) => flag.startsWith("--"));
  throw new UsageError(`\`${called}\` does not take \`${wrong}\``, {
    hint: didYouMean(wrong, flags, (flag) => `${called} ${flag}`) ?? `\`${called} --help\` lists the commands`,
  });
}

async function answerTab(words: readonly string[], options: AppOptions): Promise<number> {
  const { complete } = await import("./surface/completion.ts");
  const { lookUp } = await import("./lookup.ts");
  await using opened = openContext({
    ...options,
    registry: options.registry ?? providerRegistry,
    entries: options.entries ?? commands,
    globals: { ...defaultGlobals, quiet: true },
    isUnheard: true,
    invoke: () => Promise.resolve(exitCodes.bug),
  });
  const typed = words[0] === "--" ? words.slice(1) : words;
  const paramsOf = async (recipe: string) => {
    const { listedParams } = await import("./recipe/library/list.ts");
    return await listedParams(recipe, options.world);
  };
  const entries = options.entries ?? commands;
  const answer = await complete(entries, typed, (kind) => lookUp(kind, opened.context), paramsOf);
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
  if (error instanceof ClosedPipe || signal.reason instanceof ClosedPipe) return exitCodes.done;
  const isInterrupted = signal.aborted && signal.reason instanceof InterruptedError;
  // What was interrupted may say what became of it.
  const isSaid = error instanceof GpuError && error.kind === "interrupted";
  const shown = isInterrupted && !isSaid ? signal.reason : error;
  const known = shown instanceof GpuError ? shown : undefined;
  const kind = known?.kind ?? "bug";
  const mask = maskOf(world.terminal);
  const message = mask.text(safeText(known?.message ?? `gpu has a bug: ${messageOf(shown)}`));
  const hint = known ? known.hint && mask.text(safeText(known.hint)) : "`--verbose` shows where; please report it";
  const { stderr } = world.terminal;
  await stderr.write(
    globals.json ? `${JSON.stringify({ error: { kind, message, hint } })}\n` : errorText({ message, hint, kind }),
  )
    .catch(() => {});
  if (globals.verbose && !globals.json && shown instanceof Error && shown.stack) {
    await stderr.write(`${mask.text(safeText(shown.stack))}\n`).catch(() => {});
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
