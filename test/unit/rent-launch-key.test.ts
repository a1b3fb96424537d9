import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Config } from "../../src/config.ts";
import { clientKey, configuredKeyPath, keyOfLaunch } from "../../src/rent/key.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { errorOf, launch, rentingComputer } from "./rent-fixture.ts";
import { launchInstance } from "../../src/rent/launch.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-key-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const unused = {
  folders: { config: "", state: "/nowhere", cache: "" },
  random: (count: number) => new Uint8Array(count),
};
const blobOf = (line: string) => line.split(" ").slice(0, 2).join(" ");

function keygen(name: string, ...options: string[]): string {
  const path = join(folder, name);
  const made = Bun.spawnSync(["ssh-keygen", "-q", "-N", "", "-C", "me@laptop", "-f", path, ...options]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  return path;
}

test("a key of one's own is used in any form that ssh-keygen writes, and its public half is computed", async () => {
  const forms = [["-t", "ed25519"], ["-t", "ecdsa"], ["-t", "rsa", "-b", "2048"], [
    "-t",
    "rsa",
    "-b",
    "2048",
    "-m",
    "PEM",
  ]];
  for (const [index, options] of forms.entries()) {
    const path = keygen(`form-${index}`, ...options);
    const key = await clientKey(unused, path);
    expect(key.privateKey).toBe(readFileSync(path, "utf8"));
    expect(blobOf(key.publicKey)).toBe(blobOf(readFileSync(`${path}.pub`, "utf8")));
  }
});

test("one that is missing, locked or none is said before anything is written or rented", async () => {
  using computer = await rentingComputer();
  const locked = keygen("locked", "-t", "ed25519", "-N", "secret");
  const lockedPem = keygen("locked-pem", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret");
  writeFileSync(join(folder, "text"), "no key\n");
  for (
    const [sshKey, why] of [
      [join(folder, "none"), "there is no SSH key"],
      [locked, "it has a passphrase"],
      [lockedPem, "it has a passphrase"],
      [join(folder, "text"), "it is no private key"],
      [`${locked}.pub`, "it is the public half"],
    ] as const
  ) {
    const error = await errorOf(launchInstance({ ...computer, run: "a1", sshKey, request: { hours: 1 } }));
    expect(error.message).toContain(why);
    expect(error.hint).toContain("`providers.*.sshKey`");
  }
  expect(computer.journal.launches()).toEqual([]);
  expect(computer.provider.launched).toBe(0);
});

test("what was launched with it is reached with it, whatever the configuration says later", async () => {
  using computer = await rentingComputer();
  const sshKey = join(folder, "mine");
  const pair = generateKeyPair("me");
  writeFileSync(sshKey, pair.privateKey);
  const own = await launchInstance({ ...computer, run: "a1", sshKey, request: { hours: 1 } });
  const usual = await launch(computer);
  expect(computer.provider.machines.map(({ request }) => blobOf(request.authorizedKey))).toEqual([
    blobOf(pair.publicKey),
    blobOf((await clientKey(computer.world)).publicKey),
  ]);
  expect((await keyOfLaunch(computer.world, own)).path).toBe(sshKey);
  expect((await keyOfLaunch(computer.world, usual)).path).toBe(join(computer.state, "id_ed25519"));
  expect(own.request).not.toContain("PRIVATE");
});

test("the configuration's path may begin at home", () => {
  const config = (sshKey?: string) => Config.parse({ providers: { lambda: sshKey === undefined ? {} : { sshKey } } });
  const at = (sshKey?: string) => configuredKeyPath(config(sshKey), { provider: "lambda", home: "/home/me" });
  expect([at("~/.ssh/id"), at("/k/id"), at("keys/id"), at()]).toEqual([
    "/home/me/.ssh/id",
    "/k/id",
    "/home/me/keys/id",
    undefined,
  ]);
});
