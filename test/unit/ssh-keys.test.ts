import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprint, parsePublicKey } from "../../src/ssh/hostkeys.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { testWith } from "../needs.ts";

function sshKeygen(args: readonly string[], privateKey: string): string {
  const folder = mkdtempSync(join(tmpdir(), "gpu-keys-"));
  try {
    const path = join(folder, "key");
    writeFileSync(path, privateKey, { mode: 0o600 });
    return Bun.spawnSync(["ssh-keygen", ...args, path]).stdout.toString().trim();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

testWith("ssh-keygen")("OpenSSH reads the private key and finds the public one in it", () => {
  // Comments of every length, so that the padding takes each of its lengths.
  for (const comment of ["", "a", "ab", "abc", "abcd", "abcde", "abcdef", "a b"]) {
    const pair = generateKeyPair(comment);
    expect(sshKeygen(["-y", "-f"], pair.privateKey)).toBe(pair.publicKey);
  }
});

testWith("ssh-keygen")("the fingerprint is the one that ssh-keygen prints", () => {
  const pair = generateKeyPair("me@here");
  expect(sshKeygen(["-l", "-f"], pair.privateKey)).toContain(
    `256 ${fingerprint(parsePublicKey(pair.publicKey).blob)} me@here`,
  );
});

test("a comment cannot add a second line", () => {
  const { publicKey } = generateKeyPair("one\nssh-ed25519 AAAA");
  expect(publicKey.split("\n")).toHaveLength(1);
});

test("what is no public key is refused", () => {
  expect(() => parsePublicKey("hello")).toThrow("one-line form");
  expect(() => parsePublicKey("")).toThrow("one-line form");
});
