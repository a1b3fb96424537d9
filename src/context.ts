import type { Apart, Attached, CommandEntry, Context, Globals, Place, Run } from "./command.ts";
import type { SharedSessions } from "./background/shared-sessions.ts";
import type { Config } from "./config.ts";
import { messageOf } from "./errors.ts";
import { maskOf } from "./mask.ts";
import { loadProvider, type ProviderRegistry } from "./provider/registry.ts";
import type { Journal } from "./rent/journal.ts";
import type { OpenRun } from "./rent/run.ts";
import { safeText } from "./safe-text.ts";
import { openProgress } from "./terminal/progress.ts";
import { tracedWorld } from "./terminal/trace.ts";
import type { World } from "./world.ts";

export interface ContextOptions {
  readonly world: World;
  readonly signal: AbortSignal;
  readonly globals: Globals;
  readonly entries: readonly CommandEntry[];
  readonly registry: ProviderRegistry;
  /** What the journal calls the run: the recipe that is run. */
  readonly recipe?: string;
  /** The id of the run; drawn when left out. */
  readonly runId?: string | undefined;
  /** Sessions that outlive it, in the background process. */
  readonly shared?: SharedSessions;
  /** Nobody reads what is said: a Tab in a shell. */
  readonly isUnheard?: boolean;
  readonly invoke: Context["invoke"];
  /** Opens the same invocation in another place. */
  apart?(place: Place): Apart;
}

/** A context and what must happen when its invocation ends. */
export interface OpenContext extends AsyncDisposable {
  readonly context: Context;
  /** How the invocation ended, for the journal; stays undefined when it threw. */
  exitCode: number | undefined;
  /** What it threw, which is told after this is disposed of. */
  failure?: unknown;
  /** Prints while the living line is out of the way. */
  around(write: () => Promise<void>): Promise<void>;
  /** Waits for the work, but not for longer than a moment after the signal: what it rented is given back by `dispose`. */
  untilInterrupted<T>(work: Promise<T>): Promise<T>;
}

/** How long work may go on after the signal, to end by its own scopes. */
const lastWordsMs = 5_000;

/** Everything a command may ask for, each thing made the first time it is asked for. */
export function openContext(
  {
    world: outside,
    signal,
    globals,
    entries,
    registry,
    recipe,
    isUnheard = false,
    shared,
    invoke,
    apart,
    runId: givenId,
  }: ContextOptions,
): OpenContext {
  const { stderr } = outside.terminal;
  const progress = openProgress({
    sink: stderr,
    clock: outside.clock,
    isShown: !globals.quiet && !globals.json,
  });
  const mask = maskOf(outside.terminal);
  const say = (line: string) => void progress.around(() => stderr.write(`${mask.text(line)}\n`)).catch(() => {});
  const world = globals.verbose && !globals.quiet ? tracedWorld(outside, say) : outside;
  const config = new Once(async () => (await import("./config.ts")).loadConfig(world));
  const journal = new Once(async () => (await import("./rent/journal.ts")).openJournal(world));
  const watching = new Once(async () =>
    (await import("./background/watch.ts")).keepWatching(world, await journal.get())
  );
  const given = { config: config.get, profile: globals.profile, onProgress: (text: string) => progress.show(text) };
  const providerByName = onceEach((name) => loadProvider(registry, name, world, given));
  let runId = givenId;
  const reserved = () => runId ??= Buffer.from(world.random(6)).toString("hex");
  const openedRun = new Once(async () => {
    const { openWatchedRun } = await import("./background/watched-run.ts");
    return openWatchedRun(context, { id: reserved(), recipe });
  });
  const run: Run = { id: async () => (await openedRun.get()).id, reserved, isRecipe: false, recipe };
  const nameInForce = async (configured: Config) => {
    if (globals.provider !== undefined) return globals.provider;
    const { defaultProvider } = await import("./config.ts");
    return defaultProvider(configured, world, globals.profile);
  };
  const providerNames = async () => {
    const configured = await config.get();
    return [...new Set(["local", ...Object.keys(configured.providers), await nameInForce(configured)])];
  };
  const warned = new Set<string>();
  const attached: Attached | undefined = globals.json ? undefined : world.terminal;

  const context: Context = {
    world,
    globals,
    signal,
    entries,
    registry,
    run,
    config: config.get,
    journal: () => {
      // Whoever looks at what is rented sees to it that somebody watches it; this waits for nothing.
      if (!shared) void watching.get();
      return journal.get();
    },
    provider: async (name) => await providerByName(name ?? await nameInForce(await config.get())),
    providerNames,
    providers: async () => await Promise.all((await providerNames()).map(providerByName)),
    progress: (text) => progress.show(text),
    note: (text) => {
      // The same warning comes from each part that meets the same trouble.
      if (globals.quiet || (text.startsWith("warning: ") && warned.has(text))) return;
      warned.add(text);
      say(safeText(text));
    },
    around: (write) => progress.around(write),
    live: progress.live,
    attached,
    shared,
    invoke,
    apart,
  };
  return {
    context,
    exitCode: undefined,
    around: (write) => progress.around(write),
    untilInterrupted: (work) => untilInterrupted(work, { world, signal }),
    async [Symbol.asyncDispose]() {
      // A run that could not be begun owns nothing, and its error is the command's own.
      const run = await openedRun.made?.catch(() => undefined);
      if (run) await endRun(run, await journal.get(), { context, exitCode: this.exitCode });
      await watching.made;
      if (recipe === undefined && !isUnheard) await shoutStillRunning(context, this.failure);
      progress[Symbol.dispose]();
      const opened = await journal.made;
      if (opened) await (await import("./rent/openssh-refresh.ts")).refreshOpenSshConfig(world, opened);
      opened?.[Symbol.dispose]();
    },
  };
}

/** A machine that could not be stopped is said at the end of every command, a quiet one too, until it is. */
async function shoutStillRunning({ world, journal }: Context, failure: unknown): Promise<void> {
  const { mayBeStillRunning } = await import("./rent/stop-marker.ts");
  if (!mayBeStillRunning(world.folders.state)) return;
  const { describeStillRunning } = await import("./rent/still-running.ts");
  for (const sentence of describeStillRunning(await journal(), world.clock.now(), failure ? messageOf(failure) : "")) {
    await world.terminal.stderr.write(`${sentence}\n`);
  }
}

/** Gives back what the run still owns: after an error, a signal, or a command that forgot to. */
async function endRun(
  run: OpenRun,
  journal: Journal,
  { context, exitCode }: { context: Context; exitCode: number | undefined },
): Promise<void> {
  const { stopOwnedByRun } = await import("./rent/stop.ts");
  const { world, signal, provider, progress } = context;
  try {
    await stopOwnedByRun({
      world,
      journal,
      provider,
      run: run.id,
      why: whyEnded(signal),
      onProgress: progress,
      patienceMs: 30_000,
    });
  } catch (error) {
    await world.terminal.stderr.write(
      `error: ${safeText(messageOf(error))}\nhint: \`gpu status\` shows what is left, \`gpu stop\` tries again\n`,
    );
  }
  try {
    run.end(exitCode);
  } catch (error) {
    // The instances are what matters; the row of the run is closed by the next command.
    context.note(`warning: the end of the run could not be written down: ${messageOf(error)}`);
  }
}

function whyEnded(signal: AbortSignal): string {
  return signal.aborted ? messageOf(signal.reason) : "the command ended";
}

function untilInterrupted<T>(work: Promise<T>, { world, signal }: { world: World; signal: AbortSignal }): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  work.then(resolve, reject);
  const giveUp = () => {
    world.clock.sleep(lastWordsMs).then(() => reject(signal.reason), reject);
  };
  if (signal.aborted) giveUp();
  else signal.addEventListener("abort", giveUp, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", giveUp));
}

/** Made the first time it is asked for. */
class Once<T> {
  #made: Promise<T> | undefined;
  readonly #make: () => Promise<T>;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  readonly get = (): Promise<T> => this.#made ??= this.#make();

  /** Undefined when nobody asked. */
  get made(): Promise<T> | undefined {
    return this.#made;
  }
}

function onceEach<T>(make: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const made = new Map<string, Promise<T>>();
  return (key) => {
    const known = made.get(key);
    if (known) return known;
    const promise = make(key);
    made.set(key, promise);
    return promise;
  };
}
