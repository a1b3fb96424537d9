import type { Context, Place } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import type { Faults } from "../../emulate/faults.ts";
import type { Emulator } from "../../emulate/lambda.ts";
import type { World } from "../../world.ts";
import { Chaos } from "./chaos.ts";
import { runInside } from "./inside.ts";
import { findLeft, type Left } from "./left.ts";
import { describeEnd } from "./report.ts";
import { openStage } from "./stage.ts";
import type { TestedInstance } from "./test-recipe.ts";

/** How a recipe is tried out. */
export interface RehearsalOptions {
  /** The cloud that is served here for the length of the run; machines of this computer when left out. */
  readonly emulate?: "lambda" | undefined;
  /** What goes wrong in it: presets of `gpu emulate lambda`, or files of them. */
  readonly faults?: readonly string[] | undefined;
  /** Of a hundred things that can break, so many do. */
  readonly chaos?: number | undefined;
  /** Decides what chance decides; drawn when left out. */
  readonly seed?: number | undefined;
  /** How long an emulated instance boots, in milliseconds; half a second when left out. */
  readonly bootMs?: number;
}

/** A place where nothing costs anything, and where nothing of the user's own can be reached. */
export interface Rehearsal {
  /** What the recipe is run with: its `invoke`, journal, providers and configuration are of the rehearsal. */
  readonly context: Context;
  readonly seed: number;
  /** Ends it, and says on stderr what was done to the run and what it left. Safe to repeat. */
  end(): Promise<RehearsalReport>;
}

export interface RehearsalReport {
  readonly seed: number;
  /** How often each thing went wrong. */
  readonly broke: Readonly<Record<string, number>>;
  /** The instances that were made. */
  readonly instances: readonly TestedInstance[];
  /** What they would have cost, in US dollars. */
  readonly costDollars: number;
  /** What still ran and was not kept by `keep()`: it was ended by the rehearsal, a real cloud would bill it. */
  readonly left: readonly Left[];
  /** What the command must exit with, whatever the recipe did: 3 when something was left. */
  readonly exitCode: 3 | undefined;
}

/** Opens the place that a recipe is tried out in. Nothing in it asks for money, and its end leaves nothing. */
export async function rehearse(context: Context, options: RehearsalOptions): Promise<Rehearsal> {
  const { world, globals } = context;
  checkOptions(options, context);
  const seed = options.seed ?? Buffer.from(world.random(4)).readUInt32BE();
  const chaos = new Chaos({ percent: options.chaos ?? 0, seed, note: context.note, clock: world.clock });
  await using stack = new AsyncDisposableStack();
  const stage = stack.use(await openStage(world));
  const { readFaults } = await import("../../emulate/fault-file.ts");
  const { noFaults } = await import("../../emulate/faults.ts");
  const faults = { ...noFaults, ...chaos.faults(), ...await readFaults(options.faults ?? [], world) };
  const emulator = options.emulate === undefined
    ? undefined
    : stack.use(await emulate({ context, chaos, seed, faults, folder: stage.cloudFolder, bootMs: options.bootMs }));
  const own = stage.world({ emulator, chaos });
  // An instance whose launch was never answered is seen by then, or there is none.
  const settleMs = faults.slowMs + faults.listedLateMs + 1000;
  const registry = chaos.registry(context.registry, { emulator, world: own, settleMs });
  const place: Place = {
    world: own,
    registry,
    // Nobody is asked about money that is not real; a budget of the recipe holds all the same.
    globals: { ...globals, provider: undefined, profile: undefined, yes: true },
  };
  if (emulator) stack.use(await runInside(own, registry));
  if (context.apart === undefined) throw new Error("this context cannot be put into another place");
  const apart = context.apart(place);
  sayStart(context, options, seed);
  const opened = stack.move();
  let ended: Promise<RehearsalReport> | undefined;
  const calm = () => {
    chaos.end();
    emulator?.changeFaults(noFaults);
  };
  // Who ends it by Ctrl-C has seen enough: what was rented is given back at once.
  context.signal.addEventListener("abort", calm, { once: true });
  const end = async (): Promise<RehearsalReport> => {
    calm();
    try {
      await apart[Symbol.asyncDispose]();
      const { left, kept, instances, costDollars } = await findLeft(place, { emulator, signal: context.signal });
      const broke = chaos.broke;
      context.note(describeEnd({ options, seed, broke, left, kept, rented: instances.length, costDollars }));
      return { seed, broke, instances, costDollars, left, exitCode: left.length > 0 ? 3 : undefined };
    } finally {
      context.signal.removeEventListener("abort", calm);
      await opened.disposeAsync();
    }
  };
  return { context: apart.context, seed, end: () => ended ??= end() };
}

function checkOptions({ emulate, faults = [], chaos }: RehearsalOptions, { globals }: Context): void {
  if (faults.length > 0 && emulate === undefined) {
    throw new UsageError("`--faults` says what goes wrong in an emulated cloud, and none is emulated", {
      hint: "`--emulate lambda --faults flaky`; `--chaos 20` works with local machines too",
    });
  }
  if (chaos !== undefined && !(chaos >= 0 && chaos <= 100)) {
    throw new UsageError(`\`--chaos ${chaos}\` is not a share of a hundred`, {
      hint: "`--chaos 20` breaks one in five",
    });
  }
  const { provider } = globals;
  if (provider === undefined || provider === (emulate ?? "local")) return;
  throw new UsageError(
    emulate === undefined
      ? `\`--chaos\` does not break what is rented on \`${provider}\`: that costs money`
      : `\`--provider ${provider}\` and \`--emulate ${emulate}\` contradict each other`,
    { hint: emulate === undefined ? "`--emulate lambda --chaos 20` tries it on a cloud served here" : "leave one out" },
  );
}

interface Emulating {
  readonly context: Context;
  readonly chaos: Chaos;
  readonly seed: number;
  readonly faults: Faults;
  readonly folder: string;
  readonly bootMs: number | undefined;
}

async function emulate(
  { context: { world }, chaos, seed, faults, folder, bootMs = 500 }: Emulating,
): Promise<Emulator> {
  const { emulateLambda } = await import("../../emulate/lambda.ts");
  let agentThere: Promise<ReadonlyMap<string, string>> | undefined;
  return await emulateLambda({
    world,
    dataFolder: folder,
    seed,
    faults,
    bootMs,
    stopMs: bootMs / 2,
    links: () => agentThere ??= linksToAgent(world),
    onFault: (kind) => chaos.saw(kind),
  });
}

/** The executable that would be sent to each instance as its agent is on this computer: 60 MB less for each. */
async function linksToAgent({ self: [executable = "", ...script] }: World): Promise<ReadonlyMap<string, string>> {
  if (script.length > 0) return new Map();
  const { readBinary } = await import("../../rent/agent-binary.ts");
  const { agentFile } = await import("../../rent/agent-scripts.ts");
  return new Map([[agentFile((await readBinary(executable)).hash), executable]]);
}

function sayStart({ note }: Context, { emulate, chaos = 0 }: RehearsalOptions, seed: number): void {
  const where = emulate === undefined ? "on machines of this computer" : `on an emulated ${emulate}`;
  note(
    `rehearsal ${where}: nothing costs anything${chaos > 0 ? `; \`--chaos ${chaos} --seed ${seed}\` repeats it` : ""}`,
  );
}
