import { Buffer } from "node:buffer";
import { isObject, propertyOf } from "./internals.ts";
import { parseCertificate } from "./certificate.ts";
import { WireReader, wireString } from "./wire.ts";

/*
 * ssh2 knows no certificates of hosts. It is told to ask for one, and handed the key inside of it where it verifies what
 * the host has signed. All is checked before it is used; where another version of ssh2 is different, no certificate is
 * asked for. A mistake here cannot make a wrong host right: the signature over the whole exchange, certificate included,
 * is verified by ssh2 with the key that the certificate is about, and that is what `HostTrust` has judged.
 */

/** Algorithms for certificates, the preferred first, and the one that such a host signs with. */
const algorithms: Readonly<Record<string, string>> = {
  "ssh-ed25519-cert-v01@openssh.com": "ssh-ed25519",
  "ecdsa-sha2-nistp256-cert-v01@openssh.com": "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384-cert-v01@openssh.com": "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521-cert-v01@openssh.com": "ecdsa-sha2-nistp521",
  "rsa-sha2-512-cert-v01@openssh.com": "rsa-sha2-512",
  "rsa-sha2-256-cert-v01@openssh.com": "rsa-sha2-256",
};
/** The type inside of an RSA certificate, whichever way it signs: RFC 8332, PROTOCOL.certkeys of OpenSSH. */
const rsaCertificate = "ssh-rsa-cert-v01@openssh.com";
/** What a host is to sign with, by the exchange of keys, where ssh2 was told another name. */
const rsaSigners = new WeakMap<object, string>();

/** Asks for a certificate before all plain keys. To be called at once after `connect`, before anything is sent. */
export function offerHostCertificates(client: object): void {
  const protocol = propertyOf(client, "_protocol");
  const offer = isObject(protocol) ? propertyOf(protocol, "_offer") : undefined;
  const lists = isObject(offer) ? propertyOf(offer, "lists") : undefined;
  const entry = isObject(lists) ? propertyOf(lists, "serverHostKey") : undefined;
  if (!isObject(offer) || !isObject(lists) || !isObject(entry)) return;
  const [plain, written, all, size] = [
    propertyOf(entry, "array"),
    propertyOf(entry, "buffer"),
    propertyOf(lists, "all"),
    propertyOf(offer, "totalSize"),
  ];
  if (!Array.isArray(plain) || !(written instanceof Uint8Array) || !(all instanceof Uint8Array)) return;
  // The lists as they are sent: names with commas between, one list behind the other.
  const before = wireString(written);
  const at = Buffer.from(all).indexOf(before);
  if (at < 0 || size !== all.length) return;
  const names = [...Object.keys(algorithms), ...plain];
  const text = Buffer.from(names.join(","));
  const sent = Buffer.concat([all.subarray(0, at), wireString(text), all.subarray(at + before.length)]);
  Reflect.set(entry, "array", names);
  Reflect.set(entry, "buffer", text);
  Reflect.set(lists, "all", sent);
  Reflect.set(offer, "totalSize", sent.length);
  if (isObject(protocol)) renameRsa(protocol);
}

/** ssh2 compares the algorithm with the type inside of the certificate; with RSA these have different names. */
function renameRsa(protocol: object): void {
  let exchange = propertyOf(protocol, "_kex");
  Object.defineProperty(protocol, "_kex", {
    configurable: true,
    enumerable: true,
    get: () => exchange,
    set(begun: unknown) {
      exchange = begun;
      const negotiated = isObject(begun) ? propertyOf(begun, "negotiated") : undefined;
      if (!isObject(begun) || !isObject(negotiated)) return;
      const algorithm = String(propertyOf(negotiated, "serverHostKey"));
      const signer = algorithm.startsWith("rsa-") ? algorithms[algorithm] : undefined;
      if (signer === undefined) return;
      rsaSigners.set(begun, signer);
      Reflect.set(negotiated, "serverHostKey", rsaCertificate);
    },
  });
}

/**
 * Has ssh2 verify with the key inside of a certificate that was shown and believed. To be called where ssh2 asks
 * whether a host key is believed. False: this version of it does not let us.
 */
export function useCertifiedKey(client: object, blob: Buffer): boolean {
  const certificate = parseCertificate(blob);
  if (certificate === undefined) return true;
  const protocol = propertyOf(client, "_protocol");
  const exchange = isObject(protocol) ? propertyOf(protocol, "_kex") : undefined;
  const negotiated = isObject(exchange) ? propertyOf(exchange, "negotiated") : undefined;
  if (!isObject(exchange) || !isObject(negotiated)) return false;
  const signsWith = rsaSigners.get(exchange) ?? algorithms[String(propertyOf(negotiated, "serverHostKey"))];
  const shown = propertyOf(exchange, "_hostKey");
  if (signsWith === undefined || !(shown instanceof Uint8Array) || !certificate.blob.equals(shown)) return false;
  const type = new WireReader(certificate.keyBlob).text();
  if (type !== (rsaSigners.has(exchange) ? "ssh-rsa" : signsWith)) return false;
  Reflect.set(negotiated, "serverHostKey", signsWith);
  // What is hashed is what was sent; what is verified with, which is read after that, is the key.
  let isHashed = false;
  Object.defineProperty(exchange, "_hostKey", {
    configurable: true,
    enumerable: true,
    get() {
      if (isHashed) return certificate.keyBlob;
      isHashed = true;
      return certificate.blob;
    },
    // It is cleared in the end.
    set(value: unknown) {
      Object.defineProperty(exchange, "_hostKey", { configurable: true, enumerable: true, writable: true, value });
    },
  });
  return true;
}
