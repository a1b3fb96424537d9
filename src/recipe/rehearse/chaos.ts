import type { Socket } from "node:net";
import { Chance } from "../../emulate/chance.ts";
import type { FaultChanges, FaultKind } from "../../emulate/faults.ts";
import type { Emulator } from "../../emulate/lambda.ts";
import { GpuError } from "../../errors.ts";
import type { Provider } from "../../provider/provider.ts";
import type { ProviderRegistry } from "../../provider/registry.ts";
import type { Clock, World } from "../../world.ts";

interface ChaosOptions {
  /** Of a hundred things that can break, so many do; 0 breaks nothing. */
  readonly percent: number;
  readonly seed: number;
  readonly clock: Clock;
  /** Says what was broken, as it breaks. */
  note(text: string): void;
}

/** When something breaks, counted from its begin: each tenfold span is as likely as the next. */
const soonestMs = 5;
const latestDropMs = 30_000;
const latestPreemptionMs = 60_000;
const longestDelayMs = 1_500;

/**
 * Breaks what a recipe may meet in a cloud: connections end, instances are taken away, answers are late or lost.
 * What is asked of chance in the n-th place is answered the same with the same seed.
 */
export class Chaos {
  readonly #options: ChaosOptions;
  readonly #chance: Chance;
  readonly #ending = new AbortController();
  readonly #broke = new Map<string, number>();

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
  }

  /** How often each thing broke. */
  get broke(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#broke);
  }

  /** From here on nothing breaks. */
  end(): void {
    this.#ending.abort(new Error("the rehearsal is over"));
  }

  /** Shares of an emulated cloud's own faults. Nothing that only ends with a wait of many minutes. */
  faults(): FaultChanges {
    const share = this.#options.percent / 100;
    if (share === 0) return {};
    return {
      ...{ tooMany: share / 4, serverError: share / 4, cut: share / 4, cutAfter: share / 4, noCapacity: share / 4 },
      ...{ slow: share, slowMs: longestDelayMs, launchLost: share / 2, answerLost: share / 2 },
      ...{ listedLate: share, listedLateMs: 3000, unhealthy: share / 8, wrongGpu: share / 8 },
    };
  }

  /** Counts what the emulated cloud did. */
  saw(kind: FaultKind): void {
    if (!this.#ending.signal.aborted) this.#count(sayings[kind]);
  }

  /** Connections that end some time after they began. */
  dial(dial: World["dial"]): World["dial"] {
    return async (to) => {
      const socket = await dial(to);
      if (this.#happens("drop")) this.#breakLater("drop", latestDropMs, () => this.#drop(socket, to));
      return socket;
    };
  }

  /**
   * Providers whose instances may be taken away; those of this computer also lose and delay answers. An emulated cloud
   * hides an instance no longer than `settleMs`.
   */
  registry(
    registry: ProviderRegistry,
    { emulator, world, settleMs }: { emulator: Emulator | undefined; world: World; settleMs: number },
  ): ProviderRegistry {
    return {
      local: async (_, given) => {
        const { localProvider } = await import("../../provider/local/local.ts");
        const provider = registry.local === undefined ? localProvider(world) : await registry.local(world, given);
        return this.#unreliable(provider, (id) => crash(id, world));
      },
      lambda: async (_, given) => {
        if (emulator === undefined || registry.lambda === undefined) throw notHere("lambda");
        const provider = await registry.lambda(world, given);
        const settled = { ...provider, facts: { ...provider.facts, settleMs } };
        return this.#preempted(settled, (id) => Promise.resolve(emulator.preempt(id)));
      },
      ...(registry.ssh && { ssh: registry.ssh }),
    };
  }

  #unreliable(provider: Provider, end: (id: string) => Promise<boolean>): Provider {
    const answer = async <T>(what: string, ask: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
      if (this.#happens(`${what} late`)) {
        this.#count("answer delayed");
        await this.#options.clock.sleep(this.#chance.next("delay") * longestDelayMs, signal);
      }
      // As a cloud's driver does: what can be asked twice is, a launch never is.
      for (let attemptsLeft = what === "launch" ? 1 : 4;; attemptsLeft--) {
        const isLost = this.#happens(`${what} lost`, 0.5);
        const isUndone = isLost && this.#chance.next(`${what} undone`) < 0.5;
        const answered = isUndone ? undefined : { value: await ask() };
        if (!isLost && answered) return answered.value;
        const error = this.#lost(isUndone ? "request lost" : "answer lost", what);
        if (attemptsLeft === 1) throw error;
      }
    };
    return this.#preempted({
      ...provider,
      launch: (request, signal) => answer("launch", () => provider.launch(request, signal), signal),
      list: (signal) => answer("list", () => provider.list(signal), signal),
      get: (id, signal) => answer("get", () => provider.get(id, signal), signal),
      terminate: (id, signal) => answer("terminate", () => provider.terminate(id, signal), signal),
    }, end);
  }

  #preempted(provider: Provider, end: (id: string) => Promise<boolean>): Provider {
    return {
      ...provider,
      launch: async (request, signal) => {
        const made = await provider.launch(request, signal);
        if (this.#happens("preempt", 0.5)) {
          this.#breakLater("preempt", latestPreemptionMs, async () => {
            if (await end(made.id)) this.#say("instance taken away", made.id);
          });
        }
        return made;
      },
    };
  }

  #drop(socket: Socket, { host, port }: { host: string; port: number }): void {
    if (socket.destroyed) return;
    socket.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
    this.#say("connection dropped", `${host}:${port}`);
  }

  #lost(what: string, request: string): GpuError {
    this.#say(what, request);
    return new GpuError(`the answer to \`${request}\` was lost`);
  }

  #happens(what: string, weight = 1): boolean {
    if (this.#ending.signal.aborted || this.#options.percent === 0) return false;
    return this.#chance.next(what) < this.#options.percent / 100 * weight;
  }

  #breakLater(what: string, latestMs: number, act: () => void | Promise<void>): void {
    const { clock } = this.#options;
    const ms = soonestMs * (latestMs / soonestMs) ** this.#chance.next(`${what} when`);
    clock.sleep(ms, this.#ending.signal).then(act).catch(() => {});
  }

  #say(what: string, which: string): void {
    this.#count(what);
    this.#options.note(`chaos: ${what}, ${which}`);
  }

  #count(what: string): void {
    this.#broke.set(what, (this.#broke.get(what) ?? 0) + 1);
  }
}

/** The emulated cloud's faults as people say them. */
const sayings: Readonly<Record<FaultKind, string>> = {
  tooMany: "request answered 429",
  serverError: "request answered 5xx",
  cut: "request lost",
  cutAfter: "answer lost",
  slow: "answer delayed",
  noCapacity: "launch refused",
  launchLost: "request lost",
  answerLost: "answer lost",
  answerHangs: "launch never answered",
  bootHangs: "instance that never boots",
  unhealthy: "unhealthy instance",
  wrongGpu: "instance with another GPU",
  gpuErrors: "instance with a failing GPU",
  listedLate: "instance listed late",
};

/** A machine of this computer whose processes all end at once, as when its power goes. */
async function crash(id: string, world: World): Promise<boolean> {
  const { folderOf, readMachine } = await import("../../provider/local/folder.ts");
  const { endMarked } = await import("../../provider/local/hunt.ts");
  const folder = folderOf(world, id);
  const machine = folder && await readMachine(folder).catch(() => undefined);
  if (!machine) return false;
  await endMarked({ world, token: machine.token, pid: undefined });
  return true;
}

function notHere(name: string): GpuError {
  return new GpuError(`a rehearsal cannot reach the provider \`${name}\``, {
    hint: `\`--emulate ${name}\` serves it here`,
  });
}
