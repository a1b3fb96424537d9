import { GpuError } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import { carriesToken } from "./renting.ts";
import type { Launch } from "./rows.ts";

/**
 * Throws where the key at hand may be of another account than a launch: that account's list does not show the machine,
 * and ending it there answers "gone", so nothing may be concluded from either. A key that shows the machine is as good
 * as the one it was rented with, which may have been replaced since.
 */
export async function checkAccount(
  provider: Provider,
  { account, instanceId, token }: Pick<Launch, "account" | "instanceId" | "token">,
  signal?: AbortSignal,
): Promise<void> {
  if (account === null || provider.account === undefined) return;
  const atHand = await provider.account(signal);
  if (atHand === account) return;
  const listed = await provider.list(signal);
  if (listed.some((instance) => instance.id === instanceId || carriesToken(instance, token))) return;
  const what = instanceId ?? token;
  throw new GpuError(
    `\`${what}\` belongs to the account \`${account}\` of ${provider.name}, and the key at hand is of \`${atHand}\``,
    { hint: `with the key it was rented with, \`gpu stop ${what}\` ends it` },
  );
}
