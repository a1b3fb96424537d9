import {
  LaunchRefused,
  type LaunchRequest,
  type Offer,
  type Provider,
  type ProviderFacts,
  type ProviderInstance,
  type SshAddress,
} from "../../src/provider/provider.ts";
import type { Clock } from "../../src/world.ts";

/** What goes wrong with one launch. */
export type LaunchTrouble =
  /** A machine is made, and the answer never comes: the call throws. */
  | "answer-lost"
  /** No machine is made, and the call throws all the same. */
  | "request-lost"
  /** A machine is made, and the call hangs until its signal fires. */
  | "answer-hangs"
  | "capacity"
  | "quota"
  | "login";

export interface FakeOptions {
  readonly clock: Clock;
  readonly name?: string;
  /** Types with their price; `free` is how many can be rented, without end when left out. */
  readonly types?: readonly FakeType[];
  readonly facts?: Partial<ProviderFacts>;
  readonly bootMs?: number;
  /** How long a new machine is missing from `list`, and answers 404 to `get` and `terminate`. */
  readonly unlistedMs?: number;
  /** From the accepted request until the machine is gone. */
  readonly stopMs?: number;
  /** The provider will not end a machine that boots. */
  readonly refusesToStopBooting?: boolean;
  /** Where a machine answers; `192.0.2.N:22` when left out. */
  ssh?(instance: { readonly number: number; readonly request: LaunchRequest }): SshAddress;
}

export interface FakeType {
  readonly type: string;
  readonly pricePerHour: number;
  readonly gpu?: string;
  readonly regions?: readonly string[];
  free?: number;
}

/** A machine in the fake cloud, as the cloud knows it. */
export interface FakeMachine {
  readonly id: string;
  readonly number: number;
  readonly request: LaunchRequest;
  readonly launchedAt: number;
  leaseEndsAt: number;
  stoppingAt: number | undefined;
  isUnhealthy: boolean;
}

/** A cloud in memory: machines boot, run out, refuse, get lost and end over the time of its clock. Ids count up. */
export class FakeProvider implements Provider {
  readonly name: string;
  readonly facts: ProviderFacts;
  /** Every call with its argument, in order: `launch <token>`, `terminate i-1`, `list`. */
  readonly calls: string[] = [];
  /** What happens to the next launches, first to last; without trouble they work. */
  readonly troubles: LaunchTrouble[] = [];
  /** Thrown by the next calls of these methods, first to last. */
  readonly failures: { list: Error[]; get: Error[]; terminate: Error[]; offers: Error[] } = {
    list: [],
    get: [],
    terminate: [],
    offers: [],
  };
  readonly #options: FakeOptions;
  readonly #types: readonly FakeType[];
  #machines: FakeMachine[] = [];
  #count = 0;
  #peak = 0;

  constructor(options: FakeOptions) {
    this.#options = options;
    this.name = options.name ?? "fake";
    this.#types = options.types ?? [{ type: "gpu_1x_a10", pricePerHour: 0.75, gpu: "A10" }];
    this.facts = {
      clientToken: false,
      tags: true,
      nameMax: 64,
      settleMs: 60_000,
      readyTimeoutMs: 600_000,
      pollMs: 1_000,
      bringsAgent: true,
      services: { ci: { host: "localhost", port: 8000 }, agent: { host: "localhost", port: 8080 } },
      ...options.facts,
    };
  }

  /** What costs money now. */
  get machines(): readonly FakeMachine[] {
    return this.#alive();
  }

  /** How many machines there were at most at one time. */
  get peak(): number {
    return this.#peak;
  }

  /** How many machines there ever were. */
  get launched(): number {
    return this.#count;
  }

  /** Somebody ends a machine without `gpu`. */
  vanish(id: string): void {
    this.#machines = this.#machines.filter((machine) => machine.id !== id);
  }

  /** A machine that did not come from this journal. */
  add(request: Partial<LaunchRequest> & { name: string }): FakeMachine {
    const type = this.#types[0]?.type ?? "";
    return this.#make({
      token: "",
      type,
      region: "us-west-1",
      authorizedKey: "",
      hostKey: { privateKey: "", publicKey: "" },
      agentToken: "",
      leaseEndsAt: 0,
      ...request,
    });
  }

  async offers(signal?: AbortSignal): Promise<Offer[]> {
    this.#enter("offers", signal);
    return this.#types.map((type) => ({
      type: type.type,
      description: type.gpu ?? "no GPU",
      gpu: type.gpu,
      gpuCount: type.gpu === undefined ? 0 : 1,
      vramGiB: type.gpu === undefined ? 0 : 24,
      pricePerHour: type.pricePerHour,
      regions: type.free === 0 ? [] : type.regions ?? ["us-west-1"],
    })).toSorted((a, b) => a.pricePerHour - b.pricePerHour);
  }

  async launch(request: LaunchRequest, signal?: AbortSignal): Promise<{ id: string }> {
    this.calls.push(`launch ${request.token}`);
    const trouble = this.troubles.shift();
    if (trouble === "capacity" || trouble === "quota" || trouble === "login") {
      throw new LaunchRefused(`no ${trouble}`, { reason: trouble });
    }
    if (trouble === "request-lost") throw new Error("socket closed");
    const type = this.#types.find((known) => known.type === request.type);
    if (type === undefined) throw new LaunchRefused("no such type", { reason: "request" });
    if (type.free === 0) throw new LaunchRefused("no capacity", { reason: "capacity" });
    if (type.free !== undefined) type.free -= 1;
    const { id } = this.#make(request);
    if (trouble === "answer-lost") throw new Error("socket closed");
    if (trouble === "answer-hangs") await untilAborted(signal);
    return { id };
  }

  async list(signal?: AbortSignal): Promise<ProviderInstance[]> {
    this.#enter("list", signal);
    return this.#alive().filter((machine) => this.#isShown(machine)).map((machine) => this.#show(machine));
  }

  async get(id: string, signal?: AbortSignal): Promise<ProviderInstance | undefined> {
    this.#enter("get", signal, id);
    const machine = this.#find(id);
    return machine === undefined ? undefined : this.#show(machine);
  }

  async terminate(id: string, signal?: AbortSignal): Promise<"accepted" | "gone" | "not-yet"> {
    this.#enter("terminate", signal, id);
    const machine = this.#find(id);
    if (machine === undefined) return "gone";
    if (this.#options.refusesToStopBooting === true && this.#isBooting(machine)) return "not-yet";
    machine.stoppingAt ??= this.#now();
    return "accepted";
  }

  async setLeaseEnd(id: string, leaseEndsAt: number): Promise<void> {
    this.calls.push(`setLeaseEnd ${id}`);
    const machine = this.#find(id);
    if (machine !== undefined) machine.leaseEndsAt = leaseEndsAt;
  }

  #enter(method: "list" | "get" | "terminate" | "offers", signal?: AbortSignal, argument?: string): void {
    this.calls.push(argument === undefined ? method : `${method} ${argument}`);
    signal?.throwIfAborted();
    const failure = this.failures[method].shift();
    if (failure !== undefined) throw failure;
  }

  #make(request: LaunchRequest): FakeMachine {
    const number = ++this.#count;
    const machine: FakeMachine = {
      id: `i-${number}`,
      number,
      request,
      launchedAt: this.#now(),
      leaseEndsAt: request.leaseEndsAt,
      stoppingAt: undefined,
      isUnhealthy: false,
    };
    this.#machines.push(machine);
    this.#peak = Math.max(this.#peak, this.#alive().length);
    return machine;
  }

  #alive(): FakeMachine[] {
    const stopMs = this.#options.stopMs ?? 0;
    return this.#machines.filter(({ stoppingAt }) => stoppingAt === undefined || this.#now() < stoppingAt + stopMs);
  }

  #find(id: string): FakeMachine | undefined {
    return this.#alive().find((machine) => machine.id === id && this.#isShown(machine));
  }

  #isShown(machine: FakeMachine): boolean {
    return this.#now() >= machine.launchedAt + (this.#options.unlistedMs ?? 0);
  }

  #isBooting(machine: FakeMachine): boolean {
    return this.#now() < machine.launchedAt + (this.#options.bootMs ?? 0);
  }

  #show(machine: FakeMachine): ProviderInstance {
    const { request, id, number } = machine;
    const isBooting = this.#isBooting(machine);
    const alive = machine.isUnhealthy ? "unhealthy" : isBooting ? "booting" : "running";
    return {
      id,
      name: request.name,
      token: request.token === "" ? undefined : request.token,
      state: machine.stoppingAt === undefined ? alive : "stopping",
      type: request.type,
      region: request.region,
      pricePerHour: this.#types.find((type) => type.type === request.type)?.pricePerHour ?? 0,
      ssh: isBooting
        ? undefined
        : this.#options.ssh?.({ number, request }) ?? { host: `192.0.2.${number}`, port: 22, user: "ubuntu" },
    };
  }

  #now(): number {
    return this.#options.clock.now();
  }
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
