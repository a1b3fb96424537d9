/** What every provider of machines offers to the rest of `gpu`. Prices are US dollars an hour. */
export interface Provider {
  readonly name: string;
  readonly facts: ProviderFacts;
  /** What can be rented now, cheapest first. */
  offers(signal?: AbortSignal): Promise<Offer[]>;
  /**
   * Asks for one machine, once: a launch is never repeated by a provider.
   * Throws `LaunchRefused` when it is certain that nothing was made; any other error leaves that unknown.
   */
  launch(request: LaunchRequest, signal?: AbortSignal): Promise<{ id: string }>;
  /** All machines of this account, also those that other computers launched. */
  list(signal?: AbortSignal): Promise<ProviderInstance[]>;
  get(id: string, signal?: AbortSignal): Promise<ProviderInstance | undefined>;
  /** `gone`: there was nothing to stop. `not-yet`: it is refused while the machine boots; ask again. */
  terminate(id: string, signal?: AbortSignal): Promise<"accepted" | "gone" | "not-yet">;
  /** Moves the end of a lease that the machine itself knows of. Absent where machines know nothing of leases. */
  setLeaseEnd?(id: string, leaseEndsAt: number): Promise<void>;

  // What only some providers can; a command that needs one says who can.

  /** Whose machines these are, for the journal: never a secret. Throws `LoginError` when the key is not accepted. */
  account?(signal?: AbortSignal): Promise<string>;
  /** Which account that is by key and address at hand, though nobody was asked: nothing is sent anywhere. */
  claimedAccount?(): Promise<string>;
  /** Variables without a secret that lead another process to the same API. */
  address?(): Readonly<Record<string, string>>;
  /** What an agent on an instance needs to end it by itself: the variables this provider reads key and address from. */
  endEnvironment?(): Promise<Readonly<Record<string, string>>>;
  restart?(id: string, signal?: AbortSignal): Promise<void>;
  rename?(id: string, name: string, signal?: AbortSignal): Promise<void>;
  /** Keeps the disk, and what the disk costs. */
  pause?(id: string, signal?: AbortSignal): Promise<void>;
  resume?(id: string, signal?: AbortSignal): Promise<void>;
  images?(signal?: AbortSignal): Promise<Image[]>;
  readonly sshKeys?: SshKeys;
  readonly filesystems?: Filesystems;
}

/** Public keys that a provider keeps. */
export interface SshKeys {
  list(signal?: AbortSignal): Promise<ProviderSshKey[]>;
  add(key: { name: string; publicKey: string }, signal?: AbortSignal): Promise<ProviderSshKey>;
  delete(id: string, signal?: AbortSignal): Promise<void>;
}

export interface ProviderSshKey {
  readonly id: string;
  readonly name: string;
  readonly publicKey: string;
}

/** Disks that outlive machines. */
export interface Filesystems {
  list(signal?: AbortSignal): Promise<Filesystem[]>;
  create(filesystem: { name: string; region: string }, signal?: AbortSignal): Promise<Filesystem>;
  delete(id: string, signal?: AbortSignal): Promise<void>;
}

export interface Filesystem {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly mountPoint: string;
  readonly isInUse: boolean;
  /** Undefined where the provider does not say. */
  readonly bytesUsed: number | undefined;
}

export interface Image {
  readonly id: string;
  readonly name: string;
  readonly family: string;
  readonly version: string;
  readonly architecture: string;
  readonly region: string;
}

export interface ProviderFacts {
  /** `launch` takes a token that makes a repeated request harmless. */
  readonly clientToken: boolean;
  /** Machines carry tags, so a token is found there as well as in the name. */
  readonly tags: boolean;
  /** Longest name of a machine, in characters. */
  readonly nameMax: number;
  /** How long a launched machine may stay out of the list. */
  readonly settleMs: number;
  /** How long a machine may take from launch until SSH answers, before it is given back. */
  readonly readyTimeoutMs: number;
  /** How often a machine that boots is asked for. */
  readonly pollMs: number;
  /** The agent is there when a machine has booted; else it is uploaded once SSH answers. */
  readonly bringsAgent: boolean;
  /** Machines of it can pretend to have a GPU. */
  readonly pretendsGpus?: boolean;
  /** What is charged for: until a machine is gone, when left out, or only until its end was asked for and accepted. */
  readonly chargesUntil?: "asked" | "gone";
  /** Where the instance's own services are, as its SSH server sees them. */
  readonly services: Readonly<Record<ServiceName, { host: string; port: number }>>;
}

/** Services that `gpu` itself puts on an instance and that a forward may name instead of a port. */
export type ServiceName = "ci" | "agent";

export interface Offer {
  readonly type: string;
  readonly description: string;
  /** Model of its GPUs in short: `A100`, `H100`; undefined when it has none. */
  readonly gpu: string | undefined;
  readonly gpuCount: number;
  /** Memory of all its GPUs together. */
  readonly vramGiB: number;
  readonly pricePerHour: number;
  /** Regions with capacity now; empty: none is free. */
  readonly regions: readonly string[];
}

export interface LaunchRequest {
  /** 20 hex digits; goes into the machine's name and tags, and is how a machine is found again. */
  readonly token: string;
  /** Holds the token; at most `nameMax` characters. */
  readonly name: string;
  readonly type: string;
  readonly region: string;
  /** Public key in OpenSSH's one-line form that may log in. */
  readonly authorizedKey: string;
  /** The machine's own SSH host key, made here, so that its first connection is already verified. */
  readonly hostKey: { readonly privateKey: string; readonly publicKey: string };
  /** The secret that the agent on the machine asks for. */
  readonly agentToken: string;
  /** Milliseconds since 1970. */
  readonly leaseEndsAt: number;
  /** Names of filesystems to mount. */
  readonly filesystems?: readonly string[];
  /** Id or family of the image. */
  readonly image?: string;
  /** What the person tags it with, for providers that keep tags. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Fires when the launch is not wanted any more: what has not left yet, since its turn has not come, is not sent. */
  readonly wanted?: AbortSignal;
  /** Called when its request leaves, where that is later than the call. */
  readonly onSent?: () => void;
  /** Put a fake nvidia-smi of this model on the machine; only the local provider can. */
  readonly fakeGpu?: string;
}

export type ProviderState = "booting" | "running" | "stopping" | "stopped" | "unhealthy";

export interface ProviderInstance {
  readonly id: string;
  readonly name: string;
  /** The launch token, read from tags or name; undefined for machines that `gpu` did not launch. */
  readonly token: string | undefined;
  readonly state: ProviderState;
  readonly type: string;
  readonly region: string;
  readonly pricePerHour: number;
  /** Known once the machine has an address. */
  readonly ssh: SshAddress | undefined;
}

export interface SshAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/**
 * A launch was refused and it is certain that no machine was made. `capacity`: another type or region may do; `trouble`:
 * the provider could not be asked, and waiting may mend that.
 */
export class LaunchRefused extends Error {
  override name = "LaunchRefused";
  readonly reason: "capacity" | "quota" | "request" | "login" | "trouble";
  readonly hint: string | undefined;

  constructor(message: string, { reason, hint }: { reason: LaunchRefused["reason"]; hint?: string }) {
    super(message);
    this.reason = reason;
    this.hint = hint;
  }
}
