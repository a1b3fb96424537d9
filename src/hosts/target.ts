import type { SshAddress } from "../provider/provider.ts";
import type { Launch } from "../rent/rows.ts";

/** A machine to work on over SSH: one that is rented, or one that somebody owns. */
export type Target = InstanceTarget | HostTarget;

export interface InstanceTarget {
  readonly kind: "instance";
  /** As a person calls it: in front of its lines, in a summary. No two targets of a selection share it. */
  readonly name: string;
  readonly launch: Launch;
}

export interface HostTarget {
  readonly kind: "host";
  readonly name: string;
  readonly login: HostLogin;
}

/**
 * How one logs in on a machine that is not rented: all that was said on the command line, in the configuration and in
 * the user's ssh configuration, resolved. Plain data without secrets: it may go to the background process.
 */
export interface HostLogin {
  readonly address: SshAddress;
  /** Private key files, in the order to try them; those that are not there are skipped unless `identitiesOnly`. */
  readonly identities: readonly string[];
  /** Only these keys are tried, not all that the agent holds. */
  readonly identitiesOnly: boolean;
  /** Certificates that go with the identities, besides `<identity>-cert.pub`. */
  readonly certificates: readonly string[];
  /** The socket of the user's SSH agent; null where there is none or it is not wanted. */
  readonly agent: string | null;
  readonly knownHosts: readonly string[];
  /** Under which name its host key is known, where that is not its address. */
  readonly hostKeyAlias: string | null;
  /** What happens to a host that is not known: refused, or believed this once and written down. */
  readonly unknownHost: "refuse" | "accept-new";
  /** Machines to go through, the nearest first. */
  readonly jumps: readonly HostLogin[];
  /** A command whose stdin and stdout are the connection; only ever from the user's own ssh configuration. */
  readonly proxyCommand: string | null;
  /** Until the login is done. */
  readonly connectTimeoutMs: number;
  /** A password may be asked for where no key is accepted. */
  readonly mayAskPassword: boolean;
  /** The user's ssh configuration has the agent forwarded there. */
  readonly forwardAgent?: boolean;
}

/** Which machines a command was told to work on, as it was said. Serialisable. */
export interface Selection {
  /** Ids, names and beginnings of ids of instances; names of hosts and groups of the configuration; `user@host`. */
  readonly targets: readonly string[];
  /** `user@name:port`, each. */
  readonly hosts: readonly string[];
  readonly hostsFile: string | undefined;
  /** Every rented instance of this computer. */
  readonly all: boolean;
  /** `key=value`, each: instances and hosts that carry all of them. */
  readonly tags: readonly string[];
  /** For hosts that do not say. */
  readonly user: string | undefined;
  readonly port: number | undefined;
  readonly identities: readonly string[];
  readonly acceptNew: boolean;
  readonly sshConfig: boolean;
}
