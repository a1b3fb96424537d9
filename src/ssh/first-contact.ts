import { Buffer } from "node:buffer";
import { Client } from "ssh2";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { hostKeyAlgorithms, kexAlgorithms } from "./algorithms.ts";
import { connectFailure } from "./failure.ts";
import { fingerprint } from "./hostkeys.ts";

/** The key that a server shows to whoever asks. */
export interface ShownHostKey {
  /** OpenSSH's one-line form. */
  readonly publicKey: string;
  /** `SHA256:…`, as OpenSSH prints it. */
  readonly fingerprint: string;
}

/** Asks a server for its host key and says nothing else. Whoever believes it believes the network this once. */
export async function readHostKey(
  world: Pick<World, "dial" | "clock">,
  { address, signal, timeoutMs = 10_000 }: { address: SshAddress; signal?: AbortSignal; timeoutMs?: number },
): Promise<ShownHostKey> {
  const over = new AbortController();
  const limit = AbortSignal.any([over.signal, ...(signal ? [signal] : [])]);
  world.clock.sleep(timeoutMs, limit).then(() => over.abort(new Error("it did not answer in time")), () => {});
  try {
    const socket = await world.dial({ host: address.host, port: address.port, signal: limit });
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const client = new Client();
    client.on("error", reject).on("close", () => reject(new Error("the connection was closed")));
    limit.addEventListener("abort", () => reject(limit.reason), { once: true });
    client.connect({
      sock: socket,
      username: address.user,
      readyTimeout: 0,
      algorithms: { kex: kexAlgorithms, serverHostKey: [...hostKeyAlgorithms] },
      hostVerifier: (blob: Buffer) => {
        resolve(blob);
        return false;
      },
    });
    const blob = await promise.finally(() => socket.destroy());
    const type = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1");
    return { publicKey: `${type} ${blob.toString("base64")}`, fingerprint: fingerprint(blob) };
  } catch (error) {
    signal?.throwIfAborted();
    throw connectFailure(error, address);
  } finally {
    over.abort();
  }
}
