import { UsageError } from "../errors.ts";
import type { LaunchRequest } from "../provider/provider.ts";
import { generateKeyPair } from "../ssh/keys.ts";
import type { World } from "../world.ts";
import { clientKey } from "./key.ts";
import type { LaunchOptions, RentRequest } from "./launch.ts";
import { checkBudget, leaseEnd } from "./lease.ts";
import { chooseOffer } from "./offer.ts";

/** What is asked of the provider, and what the journal keeps of it. Refuses what can not be asked for, or costs too much. */
export async function prepareLaunch(options: LaunchOptions) {
  const { world, provider, run, request: wish, signal } = options;
  checkWish(wish);
  const { offer, region } = options.chosen ?? chooseOffer(await provider.offers(signal), wish);
  const { type, pricePerHour } = offer;
  const { hours, name, filesystems, image, fakeGpu, tags, budgetDollars } = wish;
  if (budgetDollars !== undefined) checkBudget({ type, pricePerHour, hours, budgetDollars });
  const token = hex(world, 10);
  const request: LaunchRequest = {
    token,
    name: machineName({ name, token, nameMax: provider.facts.nameMax }),
    type,
    region,
    authorizedKey: (await clientKey(world, options.sshKey)).publicKey,
    hostKey: generateKeyPair("gpu"),
    agentToken: hex(world, 32),
    leaseEndsAt: leaseEnd({ now: world.clock.now(), hours }),
    filesystems,
    image,
    fakeGpu,
    tags,
  };
  const row = {
    token,
    run,
    provider: provider.name,
    account: options.account,
    profile: options.profile,
    request: {
      ...{ name: request.name, type, region, hours, filesystems, image, fakeGpu, tags, sshKey: options.sshKey },
      address: provider.address?.(),
    },
    name,
    type,
    region,
    pricePerHour,
    leaseEndsAt: request.leaseEndsAt,
    hostPublicKey: request.hostKey.publicKey,
    agentToken: request.agentToken,
  };
  return { request, row };
}

function checkWish({ hours, name }: RentRequest): void {
  if (!Number.isFinite(hours) || hours <= 0) {
    throw new UsageError(`a lease of \`${hours}\` hours is not possible`, { hint: "`--hours` takes a number above 0" });
  }
  if (name !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/.test(name)) {
    throw new UsageError(`\`${name}\` cannot be the name of an instance`, {
      hint: "up to 40 letters, digits, `-`, `_` and `.`, with a letter or digit first",
    });
  }
}

/** What the provider knows it by: what the person said, as far as there is room, and the token in full. */
function machineName({ name, token, nameMax }: { name: string | undefined; token: string; nameMax: number }): string {
  const room = Math.max(0, nameMax - token.length - 1);
  const said = (name ?? "gpu").slice(0, room).replace(/[._-]+$/, "");
  return said === "" ? token : `${said}-${token}`;
}

function hex(world: Pick<World, "random">, byteCount: number): string {
  return Buffer.from(world.random(byteCount)).toString("hex");
}
