import { expect, test } from "bun:test";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { SshFailure } from "../../src/ssh/failure.ts";
import { connectWhenReady } from "../../src/ssh/ready.ts";
import { makeKey, realWorld, startSshd } from "./sshd.ts";

const soon = () => Date.now() + 5000;

test("waits through a server that is not there yet, and one that does not know us yet", async () => {
  await using sshd = await startSshd();
  const { address, privateKey, hostKey } = sshd;
  const keys = join(sshd.folder, "user.pub");
  renameSync(keys, `${keys}.later`);
  await sshd.kill();
  const reasons = new Set<SshFailure>();
  await using session = await connectWhenReady({
    world: realWorld,
    address,
    privateKey,
    hostKey,
    deadline: soon(),
    onRetry({ reason }) {
      if (reason === "refused" && !reasons.has("refused")) void sshd.start();
      if (reason === "login" && !reasons.has("login")) renameSync(`${keys}.later`, keys);
      reasons.add(reason);
    },
  });
  expect([...reasons]).toEqual(["refused", "login"]);
  expect((await session.exec("exit 5")).exitCode).toBe(5);
});

test("gives up at the deadline with the last reason, and at once for a wrong host key", async () => {
  await using sshd = await startSshd();
  const { address, privateKey } = sshd;
  makeKey(join(sshd.folder, "other"));
  const hostKey = readFileSync(join(sshd.folder, "other.pub"), "utf8");
  const wait = (deadline: number) => connectWhenReady({ world: realWorld, address, privateKey, hostKey, deadline });
  await expect(wait(soon())).rejects.toThrow("the host key of");
  await sshd.kill();
  await expect(wait(Date.now() + 100)).rejects.toThrow(/did not get ready in time: .* refused/);
});
