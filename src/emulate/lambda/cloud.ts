import { type Bill, billOf } from "../bill.ts";
import type { Mischief } from "../faults.ts";
import type { Fleet } from "../fleet.ts";
import { conflict, invalidParameters, noInstance } from "./answers.ts";
import { catalogue, type InstanceType, type Region } from "./catalogue.ts";
import { instanceJson, type LambdaInstance } from "./instance.ts";
import { makeInstance, mountPoint } from "./launch.ts";
import type { LaunchBody } from "./requests.ts";
import type { Store, StoredFilesystem } from "./store.ts";

interface CloudOptions {
  readonly fleet: Fleet<LambdaInstance>;
  readonly store: Store;
  readonly mischief: Mischief;
  readonly now: () => number;
  /** 32 hex digits, other ones each time. */
  readonly newId: () => string;
  readonly onLog: (line: string) => void;
}

/** How long a terminated instance can still be asked for by its id. */
const rememberedMs = 30_000;

/** The cloud itself: what each request does, without how it came or how the answer gets lost. */
export class LambdaCloud {
  readonly store: Store;
  readonly #options: CloudOptions;

  constructor(options: CloudOptions) {
    this.#options = options;
    this.store = options.store;
  }

  async launch(body: LaunchBody): Promise<{ instance_ids: string[] }> {
    const { fleet, store, mischief, now, newId, onLog } = this.#options;
    const running = fleet.made.filter(({ status }) => status !== "terminated").length;
    const ids = { id: newId(), jupyterToken: newId() };
    const instance = await makeInstance({ ...ids, body, now: now(), running, store, mischief, onLog });
    fleet.launch(instance);
    return { instance_ids: [instance.spec.id] };
  }

  list() {
    return this.#visible().filter(({ status }) => status !== "terminated").map((instance) => this.#json(instance));
  }

  get(id: string) {
    return this.#json(this.#find(id));
  }

  rename(id: string, name: string | undefined) {
    const instance = this.#find(id);
    if (name !== undefined) instance.name = name;
    return this.#json(instance);
  }

  /** All of them, or none. */
  terminate(ids: readonly string[]) {
    const instances = ids.map((id) => this.#findLiving(id));
    const { fleet, mischief } = this.#options;
    if (mischief.settings.refuseTerminateWhileBooting && instances.some(({ status }) => status === "booting")) {
      throw invalidParameters("An instance that has not launched yet cannot be terminated.");
    }
    for (const instance of new Set(instances)) if (instance.status !== "terminating") fleet.terminate(instance);
    return { terminated_instances: instances.map((instance) => this.#json(instance)) };
  }

  /** All of them, or none. */
  restart(ids: readonly string[]) {
    const instances = ids.map((id) => this.#findLiving(id));
    const blocked = instances.find(({ status }) => status !== "active" && status !== "unhealthy");
    if (blocked) throw conflict(`The instance is ${blocked.status}.`);
    for (const instance of new Set(instances)) this.#options.fleet.restart(instance);
    return { restarted_instances: instances.map((instance) => this.#json(instance)) };
  }

  types() {
    const { mischief, now } = this.#options;
    const entries = catalogue.map(({ type, regions }) => {
      const free = regions.filter(({ name }) => mischief.isFree({ type: type.name, region: name, now: now() }));
      return [type.name, { instance_type: type, regions_with_capacity_available: free }] as const;
    });
    return Object.fromEntries<{ instance_type: InstanceType; regions_with_capacity_available: Region[] }>(entries);
  }

  filesystems() {
    return this.store.filesystems.map((filesystem) => this.filesystem(filesystem));
  }

  filesystem(filesystem: StoredFilesystem) {
    return {
      ...filesystem,
      mount_point: mountPoint(filesystem),
      created_by: { id: "0".repeat(32), email: "you@emulated.invalid", status: "active" },
      is_in_use: this.isInUse(filesystem.id),
      bytes_used: 0,
    };
  }

  isInUse(filesystemId: string): boolean {
    return this.#options.fleet.made.some(({ status, mounts }) =>
      status !== "terminated" && mounts.some(({ filesystem }) => filesystem.id === filesystemId)
    );
  }

  bill(): Bill {
    return billOf(this.#options.fleet.made, this.#options.now());
  }

  #json(instance: LambdaInstance) {
    return instanceJson(instance, { canStopBooting: !this.#options.mischief.settings.refuseTerminateWhileBooting });
  }

  #visible(): LambdaInstance[] {
    const now = this.#options.now();
    return this.#options.fleet.made.filter(({ fate, terminatedAt }) =>
      fate.listedAt <= now && (terminatedAt === undefined || now < terminatedAt + rememberedMs)
    );
  }

  #find(id: string): LambdaInstance {
    const instance = this.#visible().find(({ spec }) => spec.id === id);
    if (instance === undefined) throw noInstance();
    return instance;
  }

  #findLiving(id: string): LambdaInstance {
    const instance = this.#find(id);
    if (instance.status === "terminated") throw noInstance();
    return instance;
  }
}
