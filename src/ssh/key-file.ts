import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import ssh2, { type ParsedKey } from "ssh2";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import { readTextIfThere, reasonOf } from "../files.ts";
import type { World } from "../world.ts";
import { openSshPrivateKey } from "./keys.ts";
import { WireReader } from "./wire.ts";

/** A private key file, as far as it can be read without its passphrase. */
export interface KeyFile {
  readonly path: string;
  /** As the public key travels; undefined where only the passphrase shows it. */
  readonly publicBlob: Buffer | undefined;
  /** `-cert.pub` beside it. */
  readonly certificate: Buffer | undefined;
  readonly isEncrypted: boolean;
  /** The file holds a public key only: an agent must have the other half. */
  readonly isPublicOnly: boolean;
  /** Reads the private key. Throws `WrongPassphrase`, or says why it cannot be read. */
  open(passphrase?: string): ParsedKey;
}

/** The passphrase does not open the key. */
export class WrongPassphrase extends Error {
  override name = "WrongPassphrase";
}

const longestKey = 64 * 1024;

/** Reads a key file; undefined when there is none. Throws when there is one and it cannot be read. */
export async function readKeyFile(path: string, platform: World["platform"]): Promise<KeyFile | undefined> {
  const text = await readKeyText(path, platform);
  if (text === undefined) return undefined;
  const certificate = publicBlobOf(await readTextIfThere(`${path}-cert.pub`) ?? "");
  if (/^(ssh-|ecdsa-|sk-)\S+ AAAA/.test(text)) {
    const publicBlob = publicBlobOf(text);
    const open = () => {
      throw unreadable(path, "it is the public half, and no agent has the other one");
    };
    return { path, publicBlob, certificate, isEncrypted: false, isPublicOnly: true, open };
  }
  const beside = openSshPublicBlob(text) ?? publicBlobOf(await readTextIfThere(`${path}.pub`) ?? "");
  const open = (passphrase?: string) => openKey(path, text, passphrase);
  if (isEncrypted(text)) {
    return { path, publicBlob: beside, certificate, isEncrypted: true, isPublicOnly: false, open };
  }
  const opened = open();
  return {
    ...{ path, certificate, isEncrypted: false, isPublicOnly: false },
    publicBlob: Buffer.from(opened.getPublicSSH()),
    open: () => opened,
  };
}

async function readKeyText(path: string, platform: World["platform"]): Promise<string | undefined> {
  try {
    const { size, mode } = await stat(path);
    if (size > longestKey) throw unreadable(path, "it is far too long for a key");
    const text = (await readFile(path, "utf8")).trim();
    // As OpenSSH: a private key that others can read is not used.
    if (text.includes("PRIVATE KEY") && (mode & 0o077) !== 0 && platform !== "win32") {
      throw new GpuError(`the key \`${path}\` can be read by others, so it is not used`, {
        hint: `\`chmod 600 ${path}\` makes it yours alone`,
      });
    }
    return text;
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    if (error instanceof GpuError) throw error;
    throw unreadable(path, reasonOf(error), error);
  }
}

function openKey(path: string, text: string, passphrase: string | undefined): ParsedKey {
  const key = ssh2.utils.parseKey(plainForm(path, text, passphrase), passphrase);
  if (key instanceof Error) {
    if (passphrase !== undefined && /passphrase|decrypt|integrity|Malformed/i.test(key.message)) {
      throw new WrongPassphrase();
    }
    throw unreadable(path, key.message, key);
  }
  if (!key.isPrivateKey()) throw unreadable(path, "it is not a private key");
  return key;
}

/** A form that ssh2 reads: it does not know PKCS#8. */
function plainForm(path: string, text: string, passphrase: string | undefined): string {
  if (!/^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(text)) return text;
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, passphrase });
  } catch (error) {
    if (passphrase !== undefined) throw new WrongPassphrase();
    throw unreadable(path, messageOf(error), error);
  }
  if (key.asymmetricKeyType === "rsa") return String(key.export({ type: "pkcs1", format: "pem" }));
  if (key.asymmetricKeyType === "ec") return String(key.export({ type: "sec1", format: "pem" }));
  const { x, d } = key.export({ format: "jwk" });
  if (key.asymmetricKeyType !== "ed25519" || x === undefined || d === undefined) {
    throw unreadable(path, `keys of the type \`${key.asymmetricKeyType}\` are not for SSH`);
  }
  return openSshPrivateKey({ point: Buffer.from(x, "base64url"), seed: Buffer.from(d, "base64url"), comment: "" });
}

function isEncrypted(text: string): boolean {
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----/.test(text) || /^Proc-Type: 4,ENCRYPTED/m.test(text)) return true;
  const body = openSshBody(text);
  return body !== undefined && body.text() !== "none";
}

/** OpenSSH's own files begin with the public key in the clear, also when they are encrypted. */
function openSshPublicBlob(text: string): Buffer | undefined {
  try {
    const body = openSshBody(text);
    if (body === undefined) return undefined;
    body.string();
    body.string();
    body.string();
    body.number();
    return Buffer.from(body.string());
  } catch {
    return undefined; // Reading the private half says what is wrong.
  }
}

/** What is behind the magic of an OpenSSH private key: PROTOCOL.key of OpenSSH. */
function openSshBody(text: string): WireReader | undefined {
  const body = /^-----BEGIN OPENSSH PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END/.exec(text)?.[1];
  if (body === undefined) return undefined;
  const bytes = Buffer.from(body, "base64");
  const magic = "openssh-key-v1\0";
  return bytes.subarray(0, magic.length).toString("latin1") === magic && bytes.length > magic.length + 4
    ? new WireReader(bytes.subarray(magic.length))
    : undefined;
}

/** The bytes of a public key or certificate in its one-line form; undefined where there is none. */
export function publicBlobOf(text: string): Buffer | undefined {
  const [type = "", encoded = ""] = text.trim().split(/\s+/);
  const blob = Buffer.from(encoded, "base64");
  try {
    return new WireReader(blob).text() === type ? blob : undefined;
  } catch {
    return undefined;
  }
}

function unreadable(path: string, why: string, cause?: unknown): GpuError {
  return new GpuError(`the key \`${path}\` cannot be read: ${why}`, { cause });
}
