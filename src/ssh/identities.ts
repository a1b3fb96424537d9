import type { ParsedKey } from "ssh2";
import { GpuError, InterruptedError, messageOf } from "../errors.ts";
import { readTextIfThere } from "../files.ts";
import type { World } from "../world.ts";
import { type AgentKey, listAgentKeys, signWithAgent } from "./agent-client.ts";
import { certifiedType, parseCertificate } from "./certificate.ts";
import { type KeyFile, publicBlobOf, readKeyFile } from "./key-file.ts";
import { signWithKey } from "./key-sign.ts";
import { WireReader } from "./wire.ts";

export type RsaHash = "rsa-sha2-256" | "rsa-sha2-512";

/** A key that may log in. */
export interface LoginKey {
  /** As a person knows it: its file, or what the agent calls it. */
  readonly label: string;
  /** As it is offered: a public key, or a certificate of one. */
  readonly blob: Buffer;
  /** The type that is written inside of it. */
  readonly type: string;
  /** It signs without asking anybody, and at once. */
  readonly isOpen: boolean;
  /** The whole signature, its algorithm first. May ask for a passphrase. */
  sign(data: Buffer, hash: RsaHash | undefined, ask: AskPassphrase): Promise<Buffer>;
}

/** Has a key opened with what a person says; the same key is asked for once. */
export type AskPassphrase = (file: KeyFile) => Promise<ParsedKey>;

export interface IdentityOptions {
  /** Files of private keys, the preferred first. */
  readonly identities: readonly string[];
  readonly identitiesOnly: boolean;
  readonly certificates: readonly string[];
  /** The agent's socket. */
  readonly agent: string | null;
}

export interface FoundKeys {
  readonly keys: readonly LoginKey[];
  /** What was to be tried and cannot be, for the message when the login is refused. */
  readonly troubles: readonly string[];
}

interface Read<T> {
  /** As the clock's `monotonic`. */
  readonly at: number;
  readonly value: Promise<T>;
}

/** A command reads once what it needs for all hosts; a process that stays sees what has changed since. */
const freshMs = 10_000;

/** Key files and agents of this computer, read once for all hosts. */
export class Identities {
  readonly #world: Pick<World, "clock" | "platform">;
  readonly #files = new Map<string, Read<KeyFile | undefined>>();
  readonly #agents = new Map<string, Read<readonly AgentKey[]>>();

  constructor(world: Pick<World, "clock" | "platform">) {
    this.#world = world;
  }

  /**
   * All that may log in, in the order to try: files whose key the agent holds or that are not encrypted, other keys of
   * the agent, and last what somebody would have to be asked for.
   */
  async find(options: IdentityOptions, ask: AskPassphrase): Promise<FoundKeys> {
    const troubles: string[] = [];
    const { agent } = options;
    const held = agent === null ? [] : await this.#heldBy(agent).catch((error: unknown) => {
      troubles.push(messageOf(error));
      return [];
    });
    const files = (await Promise.all(options.identities.map((path) => this.#file(path, options, troubles)))).filter(
      (file) => file !== undefined,
    );
    const certificates = await Promise.all(options.certificates.map(readCertificateFile));
    const first: LoginKey[] = [];
    const last: LoginKey[] = [];
    const used = new Set<AgentKey>();
    for (const file of files) {
      const publicBlob = file.publicBlob ?? await openedBlob(file, ask, troubles);
      if (publicBlob === undefined) continue;
      const isHeld = held.find(({ blob }) => blob.equals(publicBlob));
      if (isHeld) used.add(isHeld);
      if (file.isPublicOnly && !isHeld) {
        troubles.push(`\`${file.path}\` is a public key, and no agent has the other half`);
        continue;
      }
      const key = isHeld && agent !== null ? agentKey(agent, isHeld, file.path) : fileKey(file, publicBlob);
      const own = [file.certificate, ...certificates].filter((one) => one !== undefined && certifies(one, publicBlob));
      const where = !isHeld && file.isEncrypted ? last : first;
      where.push(...own.flatMap((one) => one === undefined ? [] : [withCertificate(key, one)]), key);
    }
    const others = options.identitiesOnly || agent === null
      ? []
      : held.filter((one) => !used.has(one)).flatMap((one) => {
        const key = agentKey(agent, one, `${one.comment || "a key"} of the agent`);
        const own = certificates.filter((certificate) => certificate !== undefined && certifies(certificate, one.blob));
        return [
          ...own.flatMap((certificate) => certificate === undefined ? [] : [withCertificate(key, certificate)]),
          key,
        ];
      });
    return { keys: withoutTwins([...first, ...others, ...last]), troubles };
  }

  #heldBy(socket: string): Promise<readonly AgentKey[]> {
    return this.#once(this.#agents, socket, () => listAgentKeys(socket));
  }

  #once<T>(known: Map<string, Read<T>>, key: string, read: () => Promise<T>): Promise<T> {
    const now = this.#world.clock.monotonic();
    const before = known.get(key);
    if (before && now - before.at < freshMs) return before.value;
    const value = read();
    known.set(key, { at: now, value });
    return value;
  }

  async #file(path: string, { identitiesOnly }: IdentityOptions, troubles: string[]): Promise<KeyFile | undefined> {
    const reading = this.#once(this.#files, path, () => readKeyFile(path, this.#world.platform));
    try {
      const file = await reading;
      if (file || !identitiesOnly) return file;
    } catch (error) {
      if (identitiesOnly) throw error;
      troubles.push(messageOf(error));
      return undefined;
    }
    throw new GpuError(`there is no key \`${path}\``, { hint: "`--identity` takes the file of a private key" });
  }
}

/** Of a key whose public half is nowhere in the clear. */
async function openedBlob(file: KeyFile, ask: AskPassphrase, troubles: string[]): Promise<Buffer | undefined> {
  try {
    return Buffer.from((await ask(file)).getPublicSSH());
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    troubles.push(messageOf(error));
    return undefined;
  }
}

function agentKey(socket: string, { blob }: AgentKey, label: string): LoginKey {
  return {
    ...{ label, blob, type: new WireReader(blob).text(), isOpen: false },
    sign: (data, hash) => signWithAgent(socket, { blob, data, hash }),
  };
}

function fileKey(file: KeyFile, publicBlob: Buffer): LoginKey {
  const type = new WireReader(publicBlob).text();
  return {
    ...{ label: file.path, blob: publicBlob, type, isOpen: !file.isEncrypted },
    sign: async (data, hash, ask) =>
      signWithKey(file.isEncrypted ? await ask(file) : file.open(), { type, data, hash }),
  };
}

/** The same key, offered as a certificate. */
function withCertificate(key: LoginKey, blob: Buffer): LoginKey {
  return { ...key, label: `${key.label} with its certificate`, blob, type: new WireReader(blob).text() };
}

function certifies(certificate: Buffer, publicBlob: Buffer): boolean {
  try {
    const parsed = parseCertificate(certificate);
    return parsed?.kind === "user" && parsed.keyBlob.equals(publicBlob);
  } catch {
    return false; // Another key's broken certificate is nobody's business here.
  }
}

async function readCertificateFile(path: string): Promise<Buffer | undefined> {
  return publicBlobOf(await readTextIfThere(path) ?? "");
}

function withoutTwins(keys: readonly LoginKey[]): LoginKey[] {
  return keys.filter(({ blob }, index) => keys.findIndex((other) => other.blob.equals(blob)) === index);
}

/** The type of the key itself, without its certificate. */
export function plainType(type: string): string {
  return certifiedType(type) ?? type;
}
