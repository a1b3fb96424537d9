import type { SshAddress } from "../provider/provider.ts";
import { oneLine } from "../safe-text.ts";
import type { World } from "../world.ts";
import { type Certificate, certifiedType, isSignedByAuthority, parseCertificate } from "./certificate.ts";
import { addressText, SshError } from "./failure.ts";
import { fingerprint, type HostTrust } from "./hostkeys.ts";
import { type KnownHost, KnownHostsFiles, knownName, matchesPatterns, portlessName } from "./known-hosts.ts";
import { writeKnownHost } from "./known-hosts-write.ts";
import { WireReader } from "./wire.ts";

export interface TrustOptions {
  readonly world: Pick<World, "clock" | "folders" | "random">;
  readonly files: KnownHostsFiles;
  readonly address: SshAddress;
  /** The name it is known under, where that is not its address. */
  readonly alias: string | null;
  /** The user's own file first: that is where a host is written down. */
  readonly knownHosts: readonly string[];
  readonly unknownHost: "refuse" | "accept-new";
  /** Says what was written down. */
  note?(text: string): void;
}

/** Believes what the known_hosts files say of a host, and nothing else. */
export async function trustKnownHosts(options: TrustOptions): Promise<HostTrust> {
  const lines = await linesAbout(options);
  const plain = lines.filter(({ marker }) => marker === undefined);
  return {
    types: [...new Set(plain.map(({ type }) => type))],
    isVouchedFor: lines.some(({ marker }) => marker === "cert-authority"),
    async judge(blob) {
      if (verdictOn(blob, lines, options) === "known") return;
      if (options.unknownHost === "refuse") throw unknownHost(blob, options);
      const path = await writeKnownHost({
        ...options,
        name: knownName({ ...options.address, alias: options.alias }),
        blob,
        // Somebody may have written it down meanwhile.
        isKnown: async () =>
          verdictOn(blob, await linesAbout({ ...options, files: new KnownHostsFiles() }), options) === "known",
      });
      if (path === undefined) return;
      options.note?.(
        `\`${addressText(options.address)}\` is believed from now on: ${typeOf(blob)} ${
          fingerprint(blob)
        } is written in \`${path}\``,
      );
    },
  };
}

async function linesAbout({ files, knownHosts, address, alias }: TrustOptions): Promise<KnownHost[]> {
  const entries = await files.entries(knownHosts);
  const name = knownName({ ...address, alias });
  const found = entries.filter((entry) => entry.matches(name));
  const other = portlessName({ ...address, alias });
  if (other === undefined || found.some(({ marker }) => marker === undefined)) return found;
  // As OpenSSH: a key that is known for the name on port 22 is believed on another port, and nothing follows from another.
  return [...found, ...entries.filter((entry) => entry.matches(other)).map((entry) => ({ ...entry, isHint: true }))];
}

type Line = KnownHost & { readonly isHint?: true };

/** Throws where something speaks against the key. */
function verdictOn(blob: Buffer, lines: readonly Line[], options: TrustOptions): "known" | "unknown" {
  const certificate = readCertificate(blob, options);
  if (certificate) return verdictOnCertificate(certificate, lines, options);
  const same = lines.filter((line) => line.blob.equals(blob));
  const revoked = same.find(({ marker }) => marker === "revoked");
  if (revoked) throw revokedKey(blob, revoked, options);
  if (same.some(({ marker }) => marker === undefined)) return "known";
  const others = lines.filter(({ marker, isHint }) => marker === undefined && isHint === undefined);
  const type = typeOf(blob);
  const other = others.find((line) => line.type === type) ?? others[0];
  if (other) throw changedKey(blob, other, options);
  const authority = lines.find(({ marker, isHint }) => marker === "cert-authority" && isHint === undefined);
  if (authority) throw noCertificate(blob, authority, options);
  return "unknown";
}

function verdictOnCertificate(
  certificate: Certificate,
  lines: readonly Line[],
  options: TrustOptions,
): "known" {
  const { keyBlob, authority, kind, principals, criticalOptions } = certificate;
  const revoked = lines.find(({ marker, blob }) =>
    marker === "revoked" && (blob.equals(keyBlob) || blob.equals(authority))
  );
  if (revoked) throw revokedKey(keyBlob, revoked, options);
  const now = BigInt(Math.floor(options.world.clock.now() / 1000));
  const name = (options.alias ?? options.address.host).toLowerCase();
  const wrong = !lines.some(({ marker, blob }) => marker === "cert-authority" && blob.equals(authority))
    ? `nobody that is known vouches for it, but ${fingerprint(authority)}`
    : kind !== "host"
    ? "it is not for a host"
    : principals.length > 0 && !matchesPatterns(name, principals.map((one) => one.toLowerCase()))
    ? `it is for ${oneLine(principals.join(", "), 200)}`
    : now < certificate.validAfter
    ? "it is not valid yet"
    : now >= certificate.validBefore
    ? "it is not valid any more"
    : criticalOptions.length > 0
    ? `it has conditions that are not known here: ${oneLine(criticalOptions.join(", "), 100)}`
    : !isSignedByAuthority(certificate)
    ? "its signature is wrong"
    : undefined;
  if (wrong === undefined) return "known";
  throw new SshError(`the certificate of \`${addressText(options.address)}\` is not believed: ${wrong}`, {
    reason: "host-key",
    hint: `\`ssh-keygen -Lf\` shows what is in one; it is called ${JSON.stringify(oneLine(certificate.id, 100))}`,
  });
}

function readCertificate(blob: Buffer, { address }: TrustOptions): Certificate | undefined {
  try {
    return parseCertificate(blob);
  } catch (cause) {
    throw new SshError(`the host key of \`${addressText(address)}\` cannot be read`, { reason: "host-key", cause });
  }
}

function typeOf(blob: Buffer): string {
  return shortType(new WireReader(blob).text());
}

/** `ED25519`, as OpenSSH shows it, is `ssh-ed25519` on the wire. */
function shortType(type: string): string {
  const plain = certifiedType(type) ?? type;
  return oneLine(plain, 40);
}

function unknownHost(blob: Buffer, { address }: TrustOptions): SshError {
  return new SshError(
    `the host \`${addressText(address)}\` is not known: its key is ${typeOf(blob)} ${fingerprint(blob)}`,
    {
      reason: "host-key",
      hint: "compare that with the machine's own; the same command with `--accept-new` believes it from then on",
    },
  );
}

function changedKey(blob: Buffer, { path, line, type, blob: known }: KnownHost, { address }: TrustOptions): SshError {
  return new SshError(
    `the host key of \`${addressText(address)}\` has changed: ${type} ${
      fingerprint(known)
    } is known (${path}:${line}), and it shows ${typeOf(blob)} ${fingerprint(blob)}`,
    {
      reason: "host-key",
      hint: `somebody may be in between; if you know why it changed, remove line ${line} of \`${path}\``,
    },
  );
}

function revokedKey(blob: Buffer, { path, line }: KnownHost, { address }: TrustOptions): SshError {
  return new SshError(
    `the host key of \`${addressText(address)}\` is revoked (${path}:${line}): ${fingerprint(blob)}`,
    { reason: "host-key", hint: "whoever revoked it does not want it to be believed; the machine needs another one" },
  );
}

function noCertificate(blob: Buffer, { path, line }: KnownHost, { address }: TrustOptions): SshError {
  return new SshError(
    `the host \`${
      addressText(address)
    }\` shows no certificate, and only its authority is known (${path}:${line}): its key is ${typeOf(blob)} ${
      fingerprint(blob)
    }`,
    { reason: "host-key", hint: "give it a new certificate, or write its key into your known_hosts file yourself" },
  );
}
