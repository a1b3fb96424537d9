import type { InstanceParts } from "../../src/recipe/handles.ts";

const nothing = (what: string) => () => Promise.reject(new Error(`no ${what} here`));

/** What an instance of thin air cannot do; a test puts its own parts in their place. */
export const noParts = {
  isOurs: true,
  close: () => Promise.resolve(),
  execute: () => Promise.resolve({ exitCode: 0 }),
  startJob: nothing("job"),
  openTunnel: nothing("tunnel"),
  upload: () => Promise.resolve(),
  download: () => Promise.resolve(),
  sync: nothing("sync"),
  gpus: () => Promise.resolve([]),
  status: nothing("status"),
  planExtension: (hours) => Promise.resolve({ action: `lease for ${hours} h more`, costDollars: hours }),
  extend: () => Promise.resolve(),
  keep: () => Promise.resolve(),
  leaseEndsAt: () => 4 * 3_600_000,
} satisfies Partial<InstanceParts>;
