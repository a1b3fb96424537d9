import type { Clock } from "../../world.ts";
import type { Provider, ProviderFacts } from "../provider.ts";
import { LambdaApi, type LambdaWorld } from "./api.ts";
import { filesystemsOf } from "./filesystems.ts";
import { findInstance, listInstances, renameInstance, restartInstance, terminateInstance } from "./instances.ts";
import { sshKeysOf } from "./keys.ts";
import { launchInstance } from "./launch.ts";
import { listImages, listOffers } from "./offers.ts";
import { apiKeyOf, baseUrlOf, isEmulator, type LambdaSettings } from "./settings.ts";

const minuteMs = 60_000;

const facts: ProviderFacts = {
  clientToken: false,
  tags: true,
  nameMax: 64,
  settleMs: 15 * minuteMs,
  readyTimeoutMs: 10 * minuteMs,
  pollMs: 5_000,
  bringsAgent: false,
  // https://docs.lambda.ai/public-cloud/billing: it "ends the moment you terminate the instance".
  chargesUntil: "asked",
  services: { ci: { host: "127.0.0.1", port: 8080 }, agent: { host: "127.0.0.1", port: 8080 } },
};

/** Asked more often, since nothing is far away; settled four times as late as its presets keep an instance out of the list. */
const emulated = { pollMs: 250, settleMs: 20_000 };

/** Rents on Lambda Cloud. Nothing is asked and no key is needed until one of its functions is called. */
export function lambdaProvider(world: LambdaWorld, settings: LambdaSettings): Provider {
  const api = new LambdaApi(world, settings);
  return {
    name: "lambda",
    facts: isEmulator(world, settings) ? { ...facts, ...emulated } : facts,
    offers: rememberedBriefly(world.clock, (signal) => listOffers(api, { region: settings.region, signal })),
    launch: (request, signal) => launchInstance(api, request, signal),
    list: (signal) => listInstances(api, signal),
    get: (id, signal) => findInstance(api, id, signal),
    terminate: (id, signal) => terminateInstance(api, id, signal),
    async account(signal) {
      // Lambda tells nobody who they are; whatever was answered shows that it takes the key.
      if (!api.isKeyProven) await listInstances(api, signal);
      return await api.account();
    },
    claimedAccount: () => api.account(),
    address: () => ({ LAMBDA_API_URL: baseUrlOf(world, settings).href }),
    endEnvironment: async () => ({
      LAMBDA_API_KEY: await apiKeyOf(world, settings),
      LAMBDA_API_URL: baseUrlOf(world, settings).href,
    }),
    restart: (id, signal) => restartInstance(api, id, signal),
    rename: (id, name, signal) => renameInstance(api, { id, name, nameMax: facts.nameMax, signal }),
    images: (signal) => listImages(api, signal),
    sshKeys: sshKeysOf(api),
    filesystems: filesystemsOf(api),
  };
}

const briefMs = 5_000;

/** What is asked to plan a start is not asked again for the start itself: on Lambda each request costs a second. */
function rememberedBriefly<T>(
  clock: Clock,
  ask: (signal?: AbortSignal) => Promise<T>,
): (signal?: AbortSignal) => Promise<T> {
  let known: { readonly answer: T; readonly at: number } | undefined;
  return async (signal) => {
    if (known !== undefined && Math.abs(clock.now() - known.at) < briefMs) return known.answer;
    const answer = await ask(signal);
    known = { answer, at: clock.now() };
    return answer;
  };
}
