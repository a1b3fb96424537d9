// How often one waits for the server while logging in: on a line around the world each wait is a quarter of a second.
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import net, { type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { connect } from "../../src/ssh/session.ts";
import { keygen, me, person, say } from "./hosts-fixture.ts";
import { realWorld, startSshd } from "./sshd.ts";

// Processes are started, and a busy computer takes its time.
setDefaultTimeout(30_000);

/** Passes on what comes, each way half of the round trip later. */
async function startSlow(to: number, roundTripMs: number) {
  const sockets = new Set<Socket>();
  const server = net.createServer((here) => {
    const there = net.connect(to, "127.0.0.1");
    for (const [from, into] of [[here, there], [there, here]] as const) {
      sockets.add(from);
      from.on("error", () => {}).on("data", (chunk) => setTimeout(() => into.write(chunk), roundTripMs / 2));
      from.on("close", () => setTimeout(() => into.destroy(), roundTripMs / 2));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const roundTripMs = 100;

/** Versions, offers, keys, the service, the signature. */
const wanted = 5;

async function roundTrips(login: () => Promise<AsyncDisposable>): Promise<number> {
  // A busy computer only ever takes longer, and one login that is fast enough shows it.
  let best = Infinity;
  for (let count = 0; count < 8 && best >= wanted; count++) {
    const startedAt = performance.now();
    await using _session = await login();
    best = Math.min(best, (performance.now() - startedAt) / roundTripMs);
  }
  return best;
}

test("a login on an instance signs at once", async () => {
  await using sshd = await startSshd();
  await using slow = await startSlow(sshd.address.port, roundTripMs);
  const { privateKey, hostKey } = sshd;
  const address = { ...sshd.address, port: slow.port };
  expect(await roundTrips(() => connect({ world: realWorld, address, privateKey, hostKey }))).toBeLessThan(wanted);
});

test.each(["ed25519", "ecdsa"])(
  "a login on a host with an open %s key too; one that is refused is followed by the next",
  async (type) => {
    await using sshd = await startSshd();
    await using slow = await startSlow(sshd.address.port, roundTripMs);
    await using user = person();
    user.write("known_hosts", `[127.0.0.1]:${slow.port} ${sshd.hostKey}\n`);
    const host = `${me}@127.0.0.1:${slow.port}`;
    const path = join(user.home, "key");
    keygen("-q", "-t", type, "-N", "", "-f", path);
    writeFileSync(join(sshd.folder, "user.pub"), readFileSync(`${path}.pub`));
    expect(await roundTrips(() => user.connect({ hosts: [host], identities: [path] }))).toBeLessThan(wanted);

    const stranger = join(user.home, "stranger");
    keygen("-q", "-t", type, "-N", "", "-f", stranger);
    expect(await say(user.connect({ hosts: [host], identities: [stranger, path] }), "echo second")).toBe("second\n");
    const error = await user.connect({ hosts: [host], identities: [stranger] }).catch((error) => error);
    expect(error.message).toBe(`the login as \`${host}\` is refused: tried ${stranger}`);
    rmSync(path);
  },
);
