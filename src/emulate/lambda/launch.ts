import { generateKeyPair } from "../../ssh/keys.ts";
import type { Mischief } from "../faults.ts";
import type { Fate } from "../fleet.ts";
import { parsePrivateKey, parsePublicKey } from "../keys.ts";
import { readUserData } from "../user-data.ts";
import { ApiError, invalidParameters, launchLacks, noCapacity, quotaExceeded } from "./answers.ts";
import { catalogue, type CatalogueEntry, images, type Region, regions } from "./catalogue.ts";
import type { LambdaInstance } from "./instance.ts";
import type { LaunchBody } from "./requests.ts";
import type { Store, StoredFilesystem } from "./store.ts";

export const operation = "launchInstance";

interface LaunchOptions {
  readonly body: LaunchBody;
  readonly id: string;
  readonly jupyterToken: string;
  readonly now: number;
  readonly running: number;
  readonly store: Store;
  readonly mischief: Mischief;
  readonly onLog: (line: string) => void;
}

/** The instance that a launch makes. Throws the API's refusal. */
export async function makeInstance(options: LaunchOptions): Promise<LambdaInstance> {
  const { body, store, mischief, now, running } = options;
  const entry = catalogue.find(({ type }) => type.name === body.instance_type_name);
  const region = regions.find(({ name }) => name === body.region_name);
  if (entry === undefined) throw launchLacks(`instance type \`${body.instance_type_name}\``);
  if (region === undefined) throw invalidParameters(`region_name: there is no region \`${body.region_name}\`.`);
  const key = store.keys.find(({ name }) => name === body.ssh_key_names[0]);
  if (key === undefined) throw launchLacks(`SSH key \`${body.ssh_key_names[0]}\``);
  checkImage(body, region);
  if (body.firewall_rulesets[0]) throw launchLacks(`firewall ruleset \`${body.firewall_rulesets[0].id}\``);
  const mounts = mountsOf(body, store, region);
  if (running >= mischief.settings.maxInstances) throw quotaExceeded();
  const isOffered = entry.regions.some(({ name }) => name === region.name);
  const isFree = mischief.isFree({ type: entry.type.name, region: region.name, now });
  if (!isOffered || !isFree || mischief.happens("noCapacity", operation)) throw noCapacity();
  const made = { ...options, entry, region, publicKey: key.public_key, mounts };
  return await describe({ ...made, fate: drawFate(mischief, now), gpu: drawGpu(entry, mischief) });
}

/** The same, of an instance that an earlier emulator made: nothing is refused and nothing drawn. */
export async function remakeInstance(
  options: Omit<LaunchOptions, "mischief" | "running">,
): Promise<LambdaInstance | undefined> {
  const { body, store, now } = options;
  const entry = catalogue.find(({ type }) => type.name === body.instance_type_name);
  const region = regions.find(({ name }) => name === body.region_name);
  if (entry === undefined || region === undefined) return undefined;
  const fate = { bootHangs: false, isUnhealthy: false, listedAt: now };
  const mounts = mountsOf(body, store, region);
  return await describe({ ...options, entry, region, publicKey: "", mounts, fate, gpu: undefined });
}

interface Made extends Pick<LaunchOptions, "body" | "id" | "jupyterToken" | "now" | "onLog"> {
  readonly entry: CatalogueEntry;
  readonly region: Region;
  readonly publicKey: string;
  readonly mounts: LambdaInstance["mounts"];
  readonly fate: Fate;
  readonly gpu: LambdaInstance["spec"]["gpu"];
}

async function describe(made: Made): Promise<LambdaInstance> {
  const { body, id, jupyterToken, now, onLog, entry: { type }, region, publicKey, mounts, fate, gpu } = made;
  const userData = readUserData(body.user_data);
  for (const ignored of userData.ignored) onLog(`${id}: the user data's \`${ignored}\` is not obeyed here`);
  const given = userData.hostPrivateKey === undefined ? undefined : await parsePrivateKey(userData.hostPrivateKey);
  const moreKeys = await Promise.all(userData.authorizedKeys.map(parsePublicKey));
  return {
    spec: {
      id,
      name: body.name ?? id,
      type: type.name,
      region: region.name,
      user: "ubuntu",
      hostKey: given === undefined ? generateKeyPair("host") : { privateKey: given, publicKey: "" },
      authorizedKeys: [publicKey, ...moreKeys.filter((line) => line !== undefined)],
      gpu,
      filesystems: mounts.map(({ filesystem }) => filesystem),
    },
    ...{ body, fate, name: body.name, type, region, mounts, jupyterToken },
    priceCentsPerHour: type.price_cents_per_hour,
    launchedAt: now,
    status: "booting",
    address: undefined,
    activeAt: undefined,
    terminationAskedAt: undefined,
    terminatedAt: undefined,
  };
}

function checkImage({ image }: LaunchBody, region: Region): void {
  if (image === undefined) return;
  const isThere = images.some((known) =>
    known.region.name === region.name && ("id" in image ? known.id === image.id : known.family === image.family)
  );
  if (!isThere) throw launchLacks(`image \`${"id" in image ? image.id : image.family}\` in ${region.name}`);
}

function mountsOf(body: LaunchBody, store: Store, region: Region): LambdaInstance["mounts"] {
  const check = (filesystem: StoredFilesystem | undefined, named: string) => {
    if (filesystem === undefined) throw launchLacks(`filesystem \`${named}\``);
    if (filesystem.region.name === region.name) return filesystem;
    const code = "instance-operations/launch/file-system-in-wrong-region";
    throw new ApiError(400, code, `The filesystem \`${named}\` is in ${filesystem.region.name}.`);
  };
  const mounted = body.file_system_mounts.map(({ file_system_id: id, mount_point: mountPoint }) => ({
    filesystem: check(store.filesystems.find((known) => known.id === id), id),
    mountPoint,
  }));
  const named = body.file_system_names
    .map((name) => check(store.filesystems.find((known) => known.name === name), name))
    .filter(({ id }) => !mounted.some(({ filesystem }) => filesystem.id === id));
  return [...mounted, ...named.map((filesystem) => ({ filesystem, mountPoint: mountPoint(filesystem) }))];
}

/** Where a filesystem is when a launch does not say where. */
export function mountPoint({ name }: StoredFilesystem): string {
  return `/lambda/nfs/${name}`;
}

function drawFate(mischief: Mischief, now: number): Fate {
  const isLate = mischief.happens("listedLate", operation);
  return {
    bootHangs: mischief.happens("bootHangs", operation),
    isUnhealthy: mischief.happens("unhealthy", operation),
    listedAt: now + (isLate ? mischief.settings.listedLateMs * (0.2 + 0.8 * mischief.chance.next("listedLateMs")) : 0),
  };
}

function drawGpu({ gpuModel, type }: CatalogueEntry, mischief: Mischief): LambdaInstance["spec"]["gpu"] {
  if (gpuModel === undefined) return undefined;
  const isWrong = mischief.happens("wrongGpu", operation);
  const other = gpuModel === "rtx6000" ? "a10" : "rtx6000";
  return {
    model: isWrong ? other : gpuModel,
    count: type.specs.gpus,
    eccErrors: mischief.happens("gpuErrors", operation) ? 2 : 0,
  };
}
