import { existsSync } from "node:fs";
import type { Context } from "../command.ts";
import { spanText } from "../duration.ts";
import { NotFoundError, UsageError } from "../errors.ts";
import type { Instance } from "../rent/instances.ts";
import type { RunEventOf } from "../runs/events.ts";
import { findRunId, isBeingWritten } from "../runs/store.ts";
import type { ApiScope, InsteadOf } from "../surface/api.ts";
import { memoText } from "./memo.ts";
import type { RunRecord } from "./record.ts";

/** The recipe that goes on from a run. `content` is the hash of all that it is made of. */
interface ResumedRecipe {
  readonly name: string;
  /** Absolute. */
  readonly file: string;
  readonly content: string | undefined;
}

/** What the log has in the place of a secret. */
const stars = "********";

const renting = ["start", "instance create"];

/** What a run knows from the one that it goes on from, and what one that goes on from it will know. */
export class Memory {
  readonly #values = new Map<string, unknown>();
  readonly #tokens = new Map<string, string>();
  readonly #used = new Map<string, number>();
  readonly #keys = new Map<number, string>();
  readonly #running = new Set<string>();
  #input: unknown;
  /** The run that this one goes on from. */
  readonly resumes: string | undefined;

  private constructor(resumes?: string) {
    this.resumes = resumes;
  }

  /** That of a run that begins anew. */
  static empty(): Memory {
    return new Memory();
  }

  /** What an earlier run left. A recipe that was changed since is said. */
  static async of(
    start: string,
    { world, note }: Context,
    recipe: ResumedRecipe,
  ): Promise<Memory> {
    const { content } = recipe;
    const id = findRunId(world, start);
    const { isRunAlive } = await import("../rent/run.ts");
    const { readLog } = await import("../runs/read.ts");
    if (await isBeingWritten(world, id) || isRunAlive(world, id)) {
      throw new UsageError(`the run ${id} still goes on`, { hint: `\`gpu runs attach ${id}\` follows it` });
    }
    const memory = new Memory(id);
    const events = await readLog(world, id);
    if (!events.some(({ kind }) => kind === "started")) {
      throw new NotFoundError(`the log of the run ${id} cannot be read`, { hint: "without `--resume` it begins anew" });
    }
    for (const event of events) {
      if (event.kind === "started") {
        refuseOther(id, event, recipe);
        memory.#input = event.input;
      }
      if (event.kind === "memo") memory.#values.set(event.key, event.value);
      if (event.kind === "rented") memory.#tokens.set(event.key, event.token);
      if (event.kind === "started" && content !== undefined && event.content !== null && event.content !== content) {
        note(`the recipe was changed since the run ${id}: what its steps returned then is taken as it is`);
      }
    }
    return memory;
  }

  /** Says which parameters are others than in the run before: what its steps returned came of those. */
  tellChanges(input: unknown, note: Context["note"]): void {
    const [before, now] = [fieldsOf(this.#input), fieldsOf(input)];
    const texts = Object.keys(before).flatMap((key) => {
      const [was, is] = [before[key], now[key]].map((value) => JSON.stringify(value) ?? "nothing");
      // A secret is stars in the log, and a list of them too.
      return was === is || was?.includes(stars) ? [] : [`\`${key}\` was ${was} and is ${is}`];
    });
    if (texts.length > 0) note(`not as in the run ${this.resumes}: ${texts.join(", ")}`);
  }

  /** What the piece of work returned in the run before, or what it returns now. */
  async once<T>(
    key: string,
    { record, work, note }: { record: RunRecord | undefined; work: () => Promise<T>; note: Context["note"] },
  ): Promise<T> {
    if (key.trim() === "") throw new UsageError("`step`: the key is empty");
    if (this.#running.has(key)) {
      throw new UsageError(`two steps have the key \`${key}\``, {
        hint: "a step is known by its key: give each its own",
      });
    }
    this.#running.add(key);
    const known = this.#values.get(key);
    if (this.#values.has(key)) {
      record?.memo(key, known);
      note(`${key}: was done in the run ${this.resumes}`);
      // It was written down by a step of that key: the recipe says what type that has.
      return known as T;
    }
    const value = await work();
    const text = memoText(key, value);
    record?.memo(key, text === undefined ? null : JSON.parse(text));
    return value;
  }

  /** What the recipe calls an instance: its label, its name, or which call of `gpu.start` rented it. */
  keyOf({ command, name, label, values }: InsteadOf, step: number | null): string | undefined {
    if (!renting.includes(command.name)) return undefined;
    const said = label ?? (typeof values["name"] === "string" ? values["name"] : undefined) ?? name;
    const count = (this.#used.get(said) ?? 0) + 1;
    this.#used.set(said, count);
    const key = count === 1 ? said : `${said} #${count}`;
    if (step !== null) this.#keys.set(step, key);
    return key;
  }

  /** What the recipe calls that which a step rents; asked once. */
  takeKey(step: number): string | undefined {
    const key = this.#keys.get(step);
    this.#keys.delete(step);
    return key;
  }

  /** The instance that the run before had under this key, where it still lives: from here on it is this run's. */
  async takeOver(
    key: string,
    { call: { context, values }, allow }: { call: InsteadOf; allow: ApiScope["allow"] },
  ): Promise<Instance | undefined> {
    const token = this.#tokens.get(key);
    if (token === undefined) return undefined;
    this.#tokens.delete(key);
    const journal = await context.journal();
    const run = await context.run.id();
    const launch = journal.handToRun(token, run);
    if (launch === undefined) {
      context.note(`what the run before rented as \`${key}\` is gone: another one is rented`);
      return undefined;
    }
    const now = context.world.clock.now();
    const hours = typeof values["hours"] === "number" ? values["hours"] : 0;
    const missing = hours - (launch.leaseEndsAt - now) / 3_600_000;
    if (missing > 0) await extend(context, { token, hours: missing, allow });
    const current = journal.launch(token) ?? launch;
    const { instanceOf } = await import("../rent/instances.ts");
    const instance = instanceOf({ launch: current, now });
    context.note(`${instance.id} goes on from the run before, leased for ${spanText(current.leaseEndsAt - now)}`);
    return { ...instance, state: "running" };
  }
}

/** The machines and steps of another recipe are not this one's. One that was moved, renamed or copied goes on. */
function refuseOther(id: string, before: RunEventOf<"started">, { name, file, content }: ResumedRecipe): void {
  if (before.recipe === name || before.file === file || before.content === content || !existsSync(before.file)) return;
  throw new UsageError(`the run ${id} is one of \`${before.recipe}\``, {
    hint: `\`gpu run ${before.recipe} --resume ${id}\` goes on from it`,
  });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

async function extend(
  context: Context,
  { token, hours, allow }: { token: string; hours: number; allow: ApiScope["allow"] },
): Promise<void> {
  const { extendLease, planExtension } = await import("../rent/extend.ts");
  const launch = (await context.journal()).launch(token);
  if (launch === undefined) return;
  const release = await allow({ name: "gpu.start", plan: await planExtension(context, launch, hours) });
  try {
    await extendLease(context, launch, hours);
  } catch (error) {
    release();
    throw error;
  }
}
