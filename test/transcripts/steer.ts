import type { FakeProvider } from "../fake/provider.ts";

const methods = ["list", "get", "terminate"] as const;

/**
 * What a page does to its cloud: `cloud list fails "502"` until `cloud list works`; `cloud launch capacity` for the next
 * launch; `cloud sells gpu_1x_a10 us-east-1 …` where it is free; `cloud is of acme`: from here on the key is that account's, which sees its own machines alone.
 */
export function steerableCloud(cloud: FakeProvider): (words: readonly string[]) => void {
  const failures = new Map<string, string>();
  const accounts = new Map<string, string>();
  /** Where a type is free, by its name. */
  const regions = new Map<string, readonly string[]>();
  let account: string | undefined;
  const offers = cloud.offers.bind(cloud);
  const { list, get, terminate, launch } = {
    list: cloud.list.bind(cloud),
    get: cloud.get.bind(cloud),
    terminate: cloud.terminate.bind(cloud),
    launch: cloud.launch.bind(cloud),
  };
  const enter = (method: (typeof methods)[number]) => {
    const failure = failures.get(method);
    if (failure !== undefined) throw new Error(failure);
  };
  const isOurs = (id: string) => account === undefined || accounts.get(id) === account;
  Object.assign(cloud, {
    offers: async (signal?: AbortSignal) =>
      (await offers(signal)).map((offer) => ({ ...offer, regions: regions.get(offer.type) ?? offer.regions })),
    list: async (signal?: AbortSignal) => {
      enter("list");
      return (await list(signal)).filter(({ id }) => isOurs(id));
    },
    get: async (id: string, signal?: AbortSignal) => {
      enter("get");
      return isOurs(id) ? await get(id, signal) : undefined;
    },
    terminate: async (id: string, signal?: AbortSignal) => {
      enter("terminate");
      return isOurs(id) ? await terminate(id, signal) : "gone";
    },
    launch: async (...given: Parameters<FakeProvider["launch"]>) => {
      const made = await launch(...given);
      if (account !== undefined) accounts.set(made.id, account);
      return made;
    },
  });
  return ([what = "", how = "", ...rest]) => {
    const [text = ""] = rest;
    if (what === "is" && how === "of") {
      account = text;
      Object.assign(cloud, { account: () => Promise.resolve(account) });
    } else if (what === "launch") cloud.troubles.push(how as "capacity");
    else if (what === "sells") regions.set(how, rest);
    else if (what === "vanish") cloud.vanish(how);
    else if (how === "fails") failures.set(what, text);
    else if (how === "works") failures.delete(what);
    else throw new Error(`a page cannot do \`cloud ${what} ${how}\``);
  };
}
