import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { type Duration, durationMs } from "../duration.ts";

/** What every function of a recipe takes as its second argument. */
export interface CallOptions {
  /** The call fails when it has not ended by then. */
  readonly timeout?: Duration;
  /** How often to try again after a failure, with growing pauses. Not for what spends. */
  readonly retry?: number;
  /** Ends the call when it fires. */
  readonly signal?: AbortSignal;
  /** Say nothing on stderr while it runs. */
  readonly quiet?: boolean;
  /** Stands before what the call says on stderr. */
  readonly label?: string;
}

export interface Child {
  readonly context: Context;
  abort(reason: unknown): void;
}

/** The context of one call: its own signal, and its own voice. */
export function childContext(parent: Context, options: CallOptions): Child {
  const controller = new AbortController();
  const signals = [parent.signal, controller.signal, ...(options.signal ? [options.signal] : [])];
  const context = derive(parent, {
    signal: AbortSignal.any(signals),
    attached: undefined,
    ...(options.quiet
      ? { progress: () => {}, note: () => {} }
      : options.label === undefined
      ? {}
      : labelled(parent, options.label)),
  });
  return { context, abort: (reason) => controller.abort(reason) };
}

/** A context like `parent` but for some parts; the methods stay bound to it, whatever it is made of. */
export function derive(parent: Context, parts: Partial<Context>): Context {
  return {
    world: parent.world,
    globals: parent.globals,
    signal: parent.signal,
    entries: parent.entries,
    registry: parent.registry,
    run: parent.run,
    attached: parent.attached,
    accepted: parent.accepted,
    config: () => parent.config(),
    journal: () => parent.journal(),
    provider: (name) => parent.provider(name),
    providerNames: () => parent.providerNames(),
    providers: () => parent.providers(),
    progress: (text) => parent.progress(text),
    note: (text) => parent.note(text),
    invoke: (command, argv) => parent.invoke(command, argv),
    ...parts,
  };
}

function labelled(parent: Context, label: string): Pick<Context, "progress" | "note"> {
  return {
    progress: (text) => parent.progress(text === undefined ? undefined : `${label}: ${text}`),
    note: (text) => parent.note(`${label}: ${text}`),
  };
}

/** How long what was told to end may take to clean up behind itself. */
const graceMs = 10_000;

/** Runs `work`, and fails when the call's time is over or its signal fires, once the work has cleaned up behind itself. */
export async function withinTime<T>(
  { name, child, options }: { name: string; child: Child; options: CallOptions },
  work: () => Promise<T>,
): Promise<T> {
  const { world: { clock }, signal } = child.context;
  signal.throwIfAborted();
  const over = new AbortController();
  const timeoutMs = options.timeout === undefined ? undefined : durationMs(options.timeout);
  if (timeoutMs !== undefined) {
    const expired = new GpuError(
      `\`${name}\` took longer than ${options.timeout}${typeof options.timeout === "number" ? " ms" : ""}`,
    );
    clock.sleep(timeoutMs, over.signal).then(() => child.abort(expired), () => {});
  }
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => clock.sleep(graceMs, over.signal).then(() => aborted.reject(signal.reason), () => {});
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work(), aborted.promise]);
  } catch (error) {
    // What the work says when it is cut short matters less than why it was.
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    over.abort();
  }
}
