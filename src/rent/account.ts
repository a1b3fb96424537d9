import { GpuError } from "../errors.ts";
import type { Provider, ProviderInstance } from "../provider/provider.ts";
import { carriesToken } from "./renting.ts";
import type { Launch } from "./rows.ts";

type Rented = Pick<Launch, "account" | "instanceId" | "token" | "provider">;

/**
 * Throws where the key at hand may be of another account than a launch: that account's list does not show the machine,
 * and ending it there answers "gone", so nothing may be concluded from either. A key that shows the machine is as good
 * as the one it was rented with, which may have been replaced since.
 */
export async function checkAccount(provider: Provider, launch: Rented, signal?: AbortSignal): Promise<void> {
  if (launch.account === null || provider.account === undefined) return;
  checkHost(provider, launch);
  const atHand = await provider.account(signal);
  if (atHand === launch.account) return;
  const why = otherAccount(launch, { atHand, listed: await provider.list(signal) });
  if (why === undefined) return;
  const what = launch.instanceId ?? launch.token;
  throw new GpuError(`\`${what}\` ${why}`, {
    hint: wayOut(what),
  });
}

/** Throws where the address at hand is not that of the API that the launch was made at. Sends nothing. */
export function checkHost(provider: Provider, launch: Rented): void {
  const [address] = Object.values(provider.address?.() ?? {});
  const why = otherHost(launch, address === undefined ? undefined : URL.parse(address)?.host);
  if (why === undefined) return;
  const what = launch.instanceId ?? launch.token;
  throw new GpuError(`\`${what}\` ${why}`, { hint: wayOut(what) });
}

function wayOut(what: string): string {
  return `with the key it was rented with, \`gpu stop ${what}\` ends it; where there is none any more, ` +
    `\`gpu reconcile --forget ${what}\` stops watching it`;
}

/** Why a launch could not be asked about: it "is at" another host. Undefined where it is not, or nobody knows. */
function otherHost({ account, provider }: Rented, atHand: string | undefined): string | undefined {
  const rented = account === null ? undefined : hostOf(account);
  if (rented === undefined || atHand === undefined || rented === atHand) return undefined;
  const name = provider.toUpperCase().replaceAll("-", "_");
  return `is at \`${rented}\` and was not asked about: that needs \`${name}_API_URL\` and \`${name}_API_KEY\``;
}

/** The host of an account that is written as `host/…`; undefined where its provider has no hosts to tell apart. */
function hostOf(account: string): string | undefined {
  const end = account.indexOf("/");
  return end > 0 ? account.slice(0, end) : undefined;
}

/** Why what a list shows says nothing of a launch: it "belongs to" another account. Undefined where it does. */
export function otherAccount(
  launch: Rented,
  { atHand, listed }: { atHand: string | undefined; listed: readonly ProviderInstance[] },
): string | undefined {
  if (launch.account === null || atHand === undefined || atHand === launch.account) return undefined;
  if (listed.some((instance) => instance.id === launch.instanceId || carriesToken(instance, launch.token))) {
    return undefined;
  }
  const elsewhere = otherHost(launch, hostOf(atHand));
  if (elsewhere !== undefined) return elsewhere;
  return `belongs to the account \`${launch.account}\` of ${launch.provider}, and the key at hand is of \`${atHand}\``;
}
