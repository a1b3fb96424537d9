import { resolve } from "node:path";
import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import { reasonOf } from "../files.ts";
import type { Lock } from "../lock.ts";
import { type Mask, maskOf } from "../mask.ts";
import type { Journal } from "../rent/journal.ts";
import { costSoFar } from "../rent/lease.ts";
import { RunFile } from "../runs/file.ts";
import type { NewRunEvent } from "../runs/events.ts";
import { HeardPrints } from "./heard-prints.ts";
import { lineFile } from "./line-file.ts";
import { StepLines } from "../runs/step-lines.ts";
import { logPath, sweepLogs, writerLockPath } from "../runs/store.ts";
import { summaryLines } from "../runs/summary.ts";
import { RunView } from "../runs/view.ts";

/** What is known of a run before it begins. */
export interface RecordOptions {
  readonly recipe: string;
  /** Absolute path of its file. */
  readonly file: string;
  /** A hash of it and of what it imports. */
  readonly content: string | undefined;
  readonly input: unknown;
  readonly budgetDollars: number | undefined;
  readonly resumes: string | undefined;
  readonly isDetached: boolean;
  /** It is only tried out: nobody can look at it again. */
  readonly isRehearsal: boolean;
  readonly logFile: string | undefined;
  readonly pid: number;
}

export interface NewStep {
  readonly name: string;
  readonly parent: number | null;
  readonly tail?: number | undefined;
  /** Where it is over at once there is nothing to say of it. */
  readonly isMinor?: boolean | undefined;
  /** The same, where it failed too: the recipe looks at how it ended. */
  readonly isRead?: boolean | undefined;
}

/** Of parameters and results, what is larger is not in the log, in characters of JSON. */
const longestValue = 2 ** 20;
/** A look at something that is over sooner, in milliseconds, and went well, is no news. */
const newsMs = 1000;
/** How long a run may go on before it has a log on disk, where it has no step, in milliseconds. */
const openAfterMs = 1000;

/** What happens in a run: written down, and shown as it happens. */
export class RunRecord {
  readonly id: string;
  readonly #context: Context;
  readonly #options: RecordOptions;
  readonly #file: RunFile;
  readonly #view: RunView;
  readonly #mask: Mask;
  readonly #lines = new Map<number, StepLines>();
  readonly #prints: HeardPrints;
  #lastStep = 0;
  #isClosed = false;
  #journal: Journal | undefined;
  #lock: Lock | undefined;
  readonly #opening = new AbortController();
  readonly #minor = new Map<number, { step: NewStep; beganAt: number; waiting: AbortController }>();

  private constructor(context: Context, options: RecordOptions) {
    const { world, globals } = context;
    this.#context = context;
    this.#options = options;
    this.#mask = maskOf(world.terminal);
    const shownOn = (stream: "stdout" | "stderr") => globals.json ? "stderr" : stream;
    this.#prints = new HeardPrints(this.#mask, {
      tell: (text, stream) => {
        void this.#add({ kind: "output", step: null, stream, text });
        // Whole lines are all that can stand above what is drawn.
        if (this.isLive) this.#view.print(`${text}\n`, shownOn(stream)).catch(() => {});
      },
      pass: (bytes, stream) => {
        if (this.takesPrints && !this.isLive) this.#view.pass(bytes, shownOn(stream)).catch(() => {});
      },
    });
    this.id = context.run.reserved();
    this.#file = new RunFile({
      path: logPath(world, this.id),
      clock: world.clock,
      onProblem: (error) => context.note(`warning: the log of this run cannot be written: ${reasonOf(error)}`),
    });
    this.#view = new RunView({
      terminal: world.terminal,
      clock: world.clock,
      costs: { costOf: (token) => this.costOf(token) },
      isColored: globals.color && world.terminal.stderr.isTTY,
      live: context.live,
      around: (write) => context.around(write),
      isQuiet: globals.quiet,
      alsoTo: options.logFile === undefined ? undefined : lineFile(
        resolve(world.cwd, options.logFile),
        ({ message }) => context.note(`warning: ${message}`),
      ),
    });
  }

  /** Begins the record of the run that `context` belongs to. */
  static async open(context: Context, options: RecordOptions): Promise<RunRecord> {
    const record = new RunRecord(context, options);
    const { recipe, file, content, input, budgetDollars, resumes, isDetached, pid } = options;
    await record.#add({
      kind: "started",
      ...{ recipe, file, pid, isDetached, input: record.#masked(input), content: content ?? null },
      ...{ budgetDollars: budgetDollars ?? null, resumes: resumes ?? null },
    });
    if (isDetached) await record.#openFile();
    else context.world.clock.sleep(openAfterMs, record.#opening.signal).then(() => record.#openFile()).catch(() => {});
    return record;
  }

  /** There is a living part on the screen, so nobody else may print past it. */
  get isLive(): boolean {
    return this.#context.live !== undefined && !this.#context.globals.quiet;
  }

  /** What is printed has to pass through here. */
  get takesPrints(): boolean {
    return this.isLive || !this.#mask.isEmpty;
  }

  begin(step: NewStep): number {
    const id = ++this.#lastStep;
    const { clock } = this.#context.world;
    const begin = { step, beganAt: clock.now() };
    if (step.isMinor || step.isRead) {
      const waiting = new AbortController();
      this.#minor.set(id, { ...begin, waiting });
      clock.sleep(newsMs, waiting.signal).then(() => this.#tellMinor(id), () => {});
    } else this.#tell(id, begin);
    return id;
  }

  #tellMinor(id: number): void {
    const minor = this.#minor.get(id);
    this.#minor.delete(id);
    if (minor) this.#tell(id, minor);
  }

  #tell(id: number, { step: { name, parent, tail }, beganAt }: { step: NewStep; beganAt: number }): void {
    void this.#openFile();
    void this.#add({ kind: "step", step: id, parent, name: this.#mask.text(name), beganAt, tail: tail ?? null });
  }

  /** What a step waits for now. */
  detail(step: number, text: string | undefined): void {
    this.#view.detail(step, text === undefined ? undefined : this.#mask.text(text));
  }

  /** Output of a step: told in whole lines. Awaiting it is backpressure. */
  async output(step: number, stream: "stdout" | "stderr", chunk: Uint8Array): Promise<void> {
    const lines = this.#lines.get(step) ?? new StepLines();
    this.#lines.set(step, lines);
    const text = lines.add(stream, chunk);
    if (text !== undefined) await this.#add({ kind: "output", step, stream, text: this.#mask.text(text) });
  }

  async end(step: number, error?: unknown): Promise<void> {
    const minor = this.#minor.get(step);
    minor?.waiting.abort();
    if (error !== undefined && !minor?.step.isRead) this.#tellMinor(step);
    // It is over, and there is nothing to say of it.
    if (this.#minor.delete(step)) return;
    for (const { stream, text } of this.#lines.get(step)?.end() ?? []) {
      void this.#add({ kind: "output", step, stream, text: this.#mask.text(text) });
    }
    this.#lines.delete(step);
    const why = error === undefined ? null : this.#mask.text(whyOf(error));
    // That its line cannot be printed does not change how it ended.
    const isInterrupted = why !== null && this.#context.signal.aborted;
    await this.#add({ kind: "step-ended", step, error: why, ...(isInterrupted && { isInterrupted }) }).catch(() => {});
  }

  /** Whether it was said that this was rented. */
  knows(token: string): boolean {
    return this.#view.model.pricePerHour.has(token);
  }

  /** A step rented an instance: from here on it costs. */
  async rented(step: number, { key, token }: { key: string; token: string }): Promise<void> {
    this.#journal = await this.#context.journal();
    const launch = this.#journal.launch(token);
    if (launch === undefined) return;
    const { pricePerHour, instanceId } = launch;
    await this.#add({ kind: "rented", step, key: this.#mask.text(key), token, id: instanceId ?? token, pricePerHour });
  }

  /** What the recipe itself prints. It is shown here only where `takesPrints` says so. */
  print(chunk: string | Uint8Array, stream: "stdout" | "stderr"): void {
    this.#prints.add(chunk, stream);
  }

  note(text: string): void {
    void this.#add({ kind: "note", text: this.#mask.text(text) });
  }

  /** What a step returned. Throws where there is a secret in it: that is not written down. */
  memo(key: string, value: unknown): void {
    if (this.#mask.isIn(JSON.stringify(value ?? null))) {
      throw new GpuError(`the step \`${key}\` returned a secret, and what steps return is written down`, {
        hint: "return something else, and ask for the secret where it is needed",
      });
    }
    void this.#openFile();
    void this.#add({ kind: "memo", key: this.#mask.text(key), value });
  }

  costOf(token: string): number | undefined {
    const launch = this.#journal?.launch(token);
    return launch && costSoFar(launch, this.#context.world.clock.now());
  }

  /** The end of the run, once all is given back that is given back. */
  async close({ exitCode, error, result }: { exitCode: number; error?: unknown; result?: unknown }): Promise<void> {
    this.#opening.abort();
    this.#prints.end();
    const { world, note } = this.#context;
    this.#view.stop();
    const journal = this.#journal;
    const bill = journal === undefined
      ? { costDollars: 0, kept: [] }
      : (await import("./bill.ts")).billOf(journal, { run: this.id, now: world.clock.now() });
    await this.#add({
      ...{ kind: "ended", exitCode, error: error === undefined ? null : this.#mask.text(messageOf(error)) },
      ...{ result: this.#masked(result ?? null), ...bill },
      kept: bill.kept.map((one) => ({ ...one, why: one.why === null ? null : this.#mask.text(one.why) })),
    }).catch(() => {});
    this.#file.open();
    this.#file.flush();
    this.#lock?.[Symbol.dispose]();
    await this.#view.written();
    const id = this.#options.isRehearsal ? undefined : this.id;
    for (const line of summaryLines(this.#view.model, { id, now: world.clock.now() })) note(line);
    await sweepLogs(world, world.clock.now()).catch(() => {});
  }

  #add(event: NewRunEvent): Promise<void> {
    // The end is the last that is said: what does not end in time has nothing to add.
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = event.kind === "ended";
    const told = this.#view.apply(this.#file.add(event));
    // Where nobody waits for it, that it cannot be printed is no error of the recipe.
    told.catch(() => {});
    return told;
  }

  async #openFile(): Promise<void> {
    if (this.#file.isOpen) return;
    this.#opening.abort();
    this.#file.open();
    const { tryLock } = await import("../lock.ts");
    // A run that was over in no time: nobody would give the lock back.
    if (this.#isClosed) return;
    try {
      this.#lock = tryLock(writerLockPath(this.#context.world, this.id));
    } catch {
      // A full disk: what became of the log was said when it was opened, and the run goes on without.
    }
  }

  /** As JSON has it, without secrets. What JSON has no words for is left out. */
  #masked(value: unknown): unknown {
    try {
      const text = JSON.stringify(value) ?? "null";
      return text.length > longestValue ? null : JSON.parse(this.#mask.text(text));
    } catch {
      return null;
    }
  }
}

/** Why a step failed: what was thrown may throw itself when it is read. */
function whyOf(error: unknown): string {
  try {
    return String(messageOf(error));
  } catch {
    return "it threw what cannot be read";
  }
}
