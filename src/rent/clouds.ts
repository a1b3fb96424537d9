import { messageOf } from "../errors.ts";
import type { Provider, ProviderInstance } from "../provider/provider.ts";
import { otherAccount } from "./account.ts";
import type { Launch } from "./rows.ts";

/** What a provider says of its machines. */
export interface CloudAnswer {
  readonly provider: Provider;
  /** Undefined where it did not answer. */
  readonly listed: readonly ProviderInstance[] | undefined;
  /** Of the key at hand; undefined where the provider has no accounts. */
  readonly account: string | undefined;
  /** Why it did not answer. */
  readonly problem: string | undefined;
}

export interface AskOptions {
  readonly providers: readonly Provider[];
  readonly signal?: AbortSignal;
  /** A provider that cannot be asked hides no machine of the others; what the journal knows of it is `unknown`. */
  readonly onProblem?: (problem: CloudProblem) => void;
}

export interface CloudProblem {
  readonly provider: string;
  readonly error: unknown;
  /** The one instance that it could not be asked about; all of them when left out. */
  readonly about?: string;
}

/** Asks all of them at once, by name. */
export async function askClouds({ providers, signal, onProblem }: AskOptions): Promise<Map<string, CloudAnswer>> {
  const answers = await Promise.all(providers.map(async (provider): Promise<CloudAnswer> => {
    try {
      const listed = await provider.list(signal);
      return { provider, listed, account: await provider.account?.(signal), problem: undefined };
    } catch (error) {
      signal?.throwIfAborted();
      onProblem?.({ provider: provider.name, error });
      return { provider, listed: undefined, account: undefined, problem: messageOf(error) };
    }
  }));
  return new Map(answers.map((answer) => [answer.provider.name, answer]));
}

/** Why nobody could be asked about a launch; undefined where its provider's answer says what there is of it. */
export function whyUnasked(launch: Launch, answer: CloudAnswer | undefined, problem?: string): string | undefined {
  if (answer?.listed === undefined) return answer?.problem ?? problem ?? `${launch.provider} was not asked`;
  const other = otherAccount(launch, { atHand: answer.account, listed: answer.listed });
  return other === undefined ? undefined : `it ${other}`;
}
