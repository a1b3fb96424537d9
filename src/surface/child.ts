import type { Context } from "../command.ts";
import type { Duration } from "../duration.ts";

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
    around: (write) => parent.around(write),
    live: parent.live,
    invoke: (command, argv, options) => parent.invoke(command, argv, options),
    ...parts,
  };
}

function labelled(parent: Context, label: string): Pick<Context, "progress" | "note"> {
  return {
    progress: (text) => parent.progress(text === undefined ? undefined : `${label}: ${text}`),
    note: (text) => parent.note(`${label}: ${text}`),
  };
}
