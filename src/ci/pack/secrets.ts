import { closeSync, openSync, readSync } from "node:fs";
import { openFlags } from "./batch.ts";
import { breathing, type TreeFile } from "./tree.ts";

/** A file that looks as if it held a secret, and what it looks like. */
export interface Suspect {
  readonly name: string;
  readonly looksLike: string;
}

/** What a name alone says. Sources are no settings, whatever they are called. */
const names: readonly (readonly [RegExp, string])[] = [
  [/^id_(rsa|dsa|ecdsa|ed25519)(_sk)?$/i, "a private key"],
  [/\.(key|p12|pfx|jks|keystore|ppk)$/i, "a private key"],
  [/\.kdbx?$/i, "a store of passwords"],
  [/^(.*\.)?env(\.(local|dev(elopment)?|prod(uction)?|staging|test))?$/i, "a file of variables"],
  [/^(credentials?|secrets?|service[-_]account.*)(\.(json|ya?ml|toml|ini|cfg|csv|txt|xml))?$/i, "credentials"],
  [/^(kubeconfig|.*\.tfstate(\.backup)?|_?netrc|htpasswd)$/i, "credentials"],
];

const awsSecret = /aws_secret_access_key["']?\s*[=:]\s*["']?(?!\S*EXAMPLE)[A-Za-z0-9/+]{40}\b/i;

/** What stands in a text: a rare word to look for, and what it must be part of. */
const marks: readonly (readonly [word: string, whole: RegExp, looksLike: string])[] = [
  [
    "PRIVATE KEY-----",
    /-----BEGIN ([A-Z0-9]+ ){0,2}PRIVATE KEY-----(\r?\n(?!\s*[.<$])|\\n[A-Za-z0-9+/]{40})/,
    "a private key",
  ],
  ["PuTTY-User-Key-File", /^PuTTY-User-Key-File-\d/m, "a private key"],
  ["AKIA", /\bAKIA(?![0-9A-Z]*EXAMPLE)[0-9A-Z]{16}\b/, "an AWS key"],
  ["ASIA", /\bASIA[0-9A-Z]{16}\b/, "an AWS key"],
  ["AWS_SECRET_ACCESS_KEY", awsSecret, "an AWS key"],
  ["aws_secret_access_key", awsSecret, "an AWS key"],
  ["ghp_", /\bghp_[A-Za-z0-9]{36}\b/, "a GitHub token"],
  ["github_pat_", /\bgithub_pat_[A-Za-z0-9_]{50,}/, "a GitHub token"],
  ["hf_", /\bhf_[A-Za-z]{34}\b/, "a Hugging Face token"],
  ["xox", /\bxox[abprs]-[0-9A-Za-z-]{20,}/, "a Slack token"],
  ["AIza", /\bAIza[0-9A-Za-z_-]{35}\b/, "a Google key"],
  ["npm_", /\bnpm_[A-Za-z0-9]{36}\b/, "an npm token"],
  ["glpat-", /\bglpat-[A-Za-z0-9_-]{20}/, "a GitLab token"],
  ["ci_", /\bci_[A-Za-z0-9_-]{40}(?![A-Za-z0-9_-])/, "a key for a CI server"],
  ["secret_", /\bsecret_[\w-]*[0-9a-f]{16}\.[A-Za-z0-9]{20,}/, "a Lambda Cloud key"],
  ["sk_live_", /\bsk_live_[A-Za-z0-9]{24,}/, "a Stripe key"],
  ["sk-", /\bsk-(ant-|proj-)?[A-Za-z0-9_-]{40,}/, "an API key"],
];

/** Larger files are data, and all that is read for this is bounded: nobody waits for it. */
const largestBytes = 256 * 2 ** 10;
const readBytes = 16 * 2 ** 20;
const settings = /(\.(env|json|ya?ml|toml|ini|cfg|conf|properties|txt|pem|sh|ipynb|tfvars|xml)|(^|\/)[^./]+)$/i;

/** How many files are looked into in one go: a millisecond. */
const filesAtATime = 8;

/** Files that look as if they held a secret: by their names, and by what the smaller ones hold, settings first. */
export async function findSuspects(files: readonly TreeFile[], signal?: AbortSignal): Promise<Suspect[]> {
  const found = new Map<string, string>();
  for (const { name } of files) {
    const base = name.slice(name.lastIndexOf("/") + 1);
    const looksLike = names.find(([pattern]) => pattern.test(base))?.[1];
    if (looksLike !== undefined) found.set(name, looksLike);
  }
  const small = files.filter(({ name, bytes }) => bytes > 16 && bytes <= largestBytes && !found.has(name));
  const isSetting = small.map(({ name }) => settings.test(name));
  const inOrder = [...small.filter((_, index) => isSetting[index]), ...small.filter((_, index) => !isSetting[index])];
  let left = readBytes;
  const scratch = Buffer.alloc(largestBytes);
  const breath = breathing(signal, filesAtATime);
  for (const file of inOrder) {
    await breath();
    left -= file.bytes;
    if (left < 0) break;
    const looksLike = lookInto(readInto(file, scratch));
    if (looksLike !== undefined) found.set(file.name, looksLike);
  }
  return [...found].map(([name, looksLike]) => ({ name, looksLike })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function lookInto(content: Buffer): string | undefined {
  for (const [word, whole, looksLike] of marks) {
    if (content.includes(word, 0, "latin1") && whole.test(content.toString("latin1"))) return looksLike;
  }
  return undefined;
}

/** What cannot be read is met again when it is packed. */
function readInto({ path, bytes }: TreeFile, scratch: Buffer): Buffer {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, openFlags);
    return scratch.subarray(0, readSync(descriptor, scratch, 0, Math.min(bytes, scratch.length), 0));
  } catch {
    return scratch.subarray(0, 0);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
