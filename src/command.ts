import type { z } from "zod";
import type { SharedSessions } from "./background/shared-sessions.ts";
import type { Config } from "./config.ts";
import type { Journal } from "./rent/journal.ts";
import type { Provider } from "./provider/provider.ts";
import type { ProviderRegistry } from "./provider/registry.ts";
import type { World } from "./world.ts";

/** What a command does to the world: decides confirmation, dry run and budget checks. */
export type Effect = "read" | "write" | "spend" | "destroy";

/** How a value looks: text for stdout, text for stderr, a table, or several of them. A string is a line without its newline. */
export type View =
  | string
  | Uint8Array
  | Table
  | {
    /** Text for stderr. */
    readonly stderr: string;
  }
  | readonly View[]
  | undefined;

/** Aligned columns with a header on a terminal, tab-separated rows without one in a pipe. */
export interface Table {
  /** Headers, shown on a terminal. */
  readonly columns: readonly string[];
  /** A cell for each column. */
  readonly rows: readonly (readonly string[])[];
  /** Said on stderr when there is no row. */
  readonly empty?: string;
  /** What gives way, in this order, where a terminal is too narrow for all of it; never what a row is known by. */
  readonly narrow?: readonly Narrowing[];
}

/** A column that is left out where a terminal is too narrow, or shortened to no less than so many cells. */
export interface Narrowing {
  /** Its header. */
  readonly column: string;
  /** Cells that are left of it at least; it goes whole where this is left out. */
  readonly min?: number;
}

/** What an action costs or destroys, named before anyone is asked. `undefined` from `plan`: nothing worth a question. */
export interface Plan {
  /** What is about to happen: `rent gpu_1x_a10 in us-west-1 for 4 h`. */
  readonly action: string;
  /** The most it can cost, in US dollars. */
  readonly costDollars?: number;
  /** What is lost: `its disk and all that runs on it`. */
  readonly loss?: string;
}

/** What a view may depend on. */
export interface ViewOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly isTTY: boolean;
  readonly columns: number;
  /** Whether colours are wanted, where it is a terminal. */
  readonly isColored?: boolean;
}

interface Definition<I extends z.ZodObject, O extends z.ZodType> {
  /** Its words: `ci submit test`. The file's path says the same. */
  readonly name: string;
  /** An imperative sentence without a full stop, at most 60 characters. */
  readonly summary: string;
  /** More, for `--help`: a paragraph or two. */
  readonly description?: string;
  readonly effect: Effect;
  readonly examples?: readonly Example[];
  /** `--profile` may name one that is not there yet. */
  readonly takesNewProfile?: boolean;
  /** It ends in its own time after the signal: a server lets what runs come to its end. */
  readonly endsInItsTime?: boolean;
  /** One flat object; every field has a description. */
  readonly input: I;
  readonly output: O;
  /** What would happen, asked before `run` where `effect` is `spend` or `destroy`. */
  plan?(input: z.output<I>, context: Context): Promise<Plan | undefined>;
  /** The exit code for an outcome that is not an error; 0 when left out. For a stream, of its last item. */
  exitCode?(output: z.output<O>): number;
  view(output: z.output<O>, options: ViewOptions): View;
}

export interface Example {
  readonly command: string;
  readonly says: string;
}

/** A command that returns one value. `handle` adds methods to it for recipes. */
export interface ValueCommand<I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType, H = unknown>
  extends Definition<I, O> {
  readonly kind: "value";
  run(input: z.output<I>, context: Context): Promise<z.output<O>>;
  handle?(output: z.output<O>, context: Context): H | Promise<H>;
  /** With an input `watch` that is true, it is run again so often, in milliseconds, and shown anew until Ctrl-C. */
  readonly refreshMs?: number;
}

/** A command that follows something: one item a line. `handle` gives recipes something better than the bare items. */
export interface StreamCommand<I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType, H = unknown>
  extends Definition<I, O> {
  readonly kind: "stream";
  run(input: z.output<I>, context: Context): AsyncIterable<z.output<O>>;
  handle?(items: AsyncIterable<z.output<O>>, context: Context, input: z.output<I>): Promise<H>;
  /** The exit code of the whole, from those of all items, where it is not the last one's. */
  joinExitCodes?(codes: readonly number[]): number;
  /** The handle has read all items when it is there: to a recipe the command is like one that returns a value. */
  readonly isReadWhole?: boolean;
}

export type Command = ValueCommand | StreamCommand;

export function defineCommand<I extends z.ZodObject, O extends z.ZodType, H>(
  definition: Omit<ValueCommand<I, O, H>, "kind">,
): ValueCommand<I, O, H> {
  return { kind: "value", ...definition };
}

export function defineStream<I extends z.ZodObject, O extends z.ZodType, H>(
  definition: Omit<StreamCommand<I, O, H>, "kind">,
): StreamCommand<I, O, H> {
  return { kind: "stream", ...definition };
}

/** What help and completion know of a command without loading it. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly effect: Effect;
  load(): Promise<Command>;
  /** Begins what can go on while the command is loaded; what comes back ends that, where it is still going on. */
  ahead?(argv: readonly string[], given: Pick<Context, "world" | "signal">): Promise<Disposable | undefined>;
}

/** Flags that every command has. */
export interface Globals {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
  readonly yes: boolean;
  readonly provider: string | undefined;
  readonly profile: string | undefined;
}

/** All that `run` gets beside its input. Nothing in it is opened before it is asked for. */
export interface Context {
  readonly world: World;
  readonly globals: Globals;
  /** Fires on Ctrl-C, at the end of a run, or when a call's `timeout` is over. */
  readonly signal: AbortSignal;
  /** Every command there is, for the typed functions of a recipe. */
  readonly entries: readonly CommandEntry[];
  /** The providers there are, for a command that tries one with a key that is not kept yet. */
  readonly registry: ProviderRegistry;
  /** Who owns what is rented now: a run, until a lease takes over. */
  readonly run: Run;
  /** What somebody said yes to before `run`: more must not be spent. */
  readonly accepted?: Plan;
  config(): Promise<Config>;
  journal(): Promise<Journal>;
  /** The provider by name; without one that of `--provider`, environment, profile, or `local`. */
  provider(name?: string): Promise<Provider>;
  /** The names of every provider that is configured, and `local`. */
  providerNames(): Promise<string[]>;
  /** Every provider that is configured, and `local`. */
  providers(): Promise<Provider[]>;
  /** Replaces the living line on stderr; `undefined` takes it away. */
  progress(text: string | undefined): void;
  /** Says a fact on stderr, unless `--quiet`. */
  note(text: string): void;
  /** Prints while the living line is out of the way. */
  around(write: () => Promise<void>): Promise<void>;
  /** Keeps lines at the bottom of the terminal until told `undefined`; absent where there is none, or nothing is to be said. */
  live?(frame: ((size: { columns: number; rows: number }) => readonly string[]) | undefined): void;
  /** The terminal itself, for a command whose output is somebody else's bytes; absent under `--json` and in recipes. */
  readonly attached: Attached | undefined;
  /** SSH sessions that outlive this invocation, where it runs in the background process. */
  readonly shared?: SharedSessions;
  /** Parses `argv` as arguments of `command`, and runs and shows it as the command line would. Returns its exit code. */
  invoke(command: Command, argv: readonly string[], options?: { readonly runId?: string | undefined }): Promise<number>;
  /** The same invocation with another outside: its own journal, providers and configuration. Absent inside of a call. */
  apart?(place: Place): Apart;
}

/** What an invocation finds outside of itself, where that is not the user's own. */
export interface Place {
  readonly world: World;
  readonly registry: ProviderRegistry;
  readonly globals: Globals;
}

/** A context of another place; disposed of, it gives back what its run still owns and closes its journal. */
export interface Apart extends AsyncDisposable {
  readonly context: Context;
}

/** The run that what a command rents belongs to until a lease takes over. */
export interface Run {
  /** Starts the run in the journal the first time it is asked for, and resolves once its death would be noticed. */
  id(): Promise<string>;
  /** The id that it has, or will have: asking for it begins nothing. 12 hexadecimal digits. */
  reserved(): string;
  /** `true` in `gpu run`: instances end with it. `false` on the command line: they pass to their lease when ready. */
  readonly isRecipe: boolean;
  readonly recipe: string | undefined;
}

/** Raw streams of the terminal that a command may take over. */
export type Attached = World["terminal"];
