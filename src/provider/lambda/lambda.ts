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
  pollMs: 10_000,
  bringsAgent: false,
  services: { ci: { host: "127.0.0.1", port: 8080 }, agent: { host: "127.0.0.1", port: 8080 } },
};

/** Four times as long as an emulator's presets keep an instance out of its list. */
const emulated = { pollMs: 2_000, settleMs: 20_000 };

/** Rents on Lambda Cloud. Nothing is asked and no key is needed until one of its functions is called. */
export function lambdaProvider(world: LambdaWorld, settings: LambdaSettings): Provider {
  const api = new LambdaApi(world, settings);
  return {
    name: "lambda",
    facts: isEmulator(world, settings) ? { ...facts, ...emulated } : facts,
    offers: (signal) => listOffers(api, { region: settings.region, signal }),
    launch: (request, signal) => launchInstance(api, request, signal),
    list: (signal) => listInstances(api, signal),
    get: (id, signal) => findInstance(api, id, signal),
    terminate: (id, signal) => terminateInstance(api, id, signal),
    async account(signal) {
      // Lambda tells nobody who they are; whatever was answered shows that it takes the key.
      if (!api.isKeyProven) await listInstances(api, signal);
      return await api.account();
    },
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
