import type { World } from "../world.ts";
import { type AgentBinary, type BinaryChoice, chooseBinary, compressed, readBinary } from "./agent-binary.ts";
import type { Packer } from "./agent-scripts.ts";

/** The executables that may become an instance's agent: each is read and compressed once. */
export class AgentSource {
  readonly #world: Pick<World, "arch" | "cwd" | "env" | "folders" | "self">;
  readonly #named: string | undefined;
  readonly #read = new Map<string, Promise<AgentBinary>>();
  readonly #packed = new Map<string, ReturnType<typeof compressed>>();

  /** `named`: instead of this executable, what `--agent-binary` says. */
  constructor(world: Pick<World, "arch" | "cwd" | "env" | "folders" | "self">, named: string | undefined) {
    this.#world = world;
    this.#named = named;
  }

  /** Makes ready what will most likely be asked for, while an instance boots. */
  async warmUp(): Promise<void> {
    const platform = `linux-${this.#world.arch}`;
    const choice = await this.choose(platform);
    if ("path" in choice) await this.pack(await this.read(choice.path), { platform, packer: "zstd" });
  }

  choose(platform: string): Promise<BinaryChoice> {
    return chooseBinary(this.#world, { platform, named: this.#named });
  }

  read(path: string): Promise<AgentBinary> {
    return once(this.#read, path, () => readBinary(path));
  }

  pack(binary: AgentBinary, how: { platform: string; packer: Packer }): ReturnType<typeof compressed> {
    const key = `${binary.hash} ${how.platform} ${how.packer}`;
    return once(this.#packed, key, () => compressed(this.#world, { binary, ...how }));
  }
}

function once<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const known = made.get(key);
  if (known !== undefined) return known;
  const promise = make();
  made.set(key, promise);
  return promise;
}
