import { GpuError } from "../../errors.ts";
import type { Provider, ProviderFacts } from "../provider.ts";

const facts: ProviderFacts = {
  clientToken: false,
  tags: false,
  nameMax: 64,
  settleMs: 0,
  readyTimeoutMs: 30_000,
  pollMs: 1_000,
  bringsAgent: false,
  services: { ci: { host: "127.0.0.1", port: 8000 }, agent: { host: "127.0.0.1", port: 8080 } },
};

/**
 * Machines that somebody owns: the hosts of the configuration. They are shown beside what is rented, and never launched,
 * stopped or paid for; so there is nothing to list for whoever looks for what has to be given back.
 */
export function sshProvider(): Provider {
  const refuse = () =>
    Promise.reject(
      new GpuError("`ssh` is the provider of machines that you own, and none of them can be rented", {
        hint: "`gpu exec --host <name>` works on one; `gpu status` shows those under `hosts:` of the configuration",
        rentedNothing: true,
      }),
    );
  return {
    name: "ssh",
    facts,
    offers: refuse,
    launch: refuse,
    list: () => Promise.resolve([]),
    get: () => Promise.resolve(undefined),
    terminate: () => Promise.reject(new GpuError("a machine that you own is not stopped by `gpu`")),
  };
}
