// An agent that holds a key as those in hardware are: its signatures say that somebody touched it.
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import { wireNumber, WireReader, wireString } from "../../src/ssh/wire.ts";

export interface FakeAgent extends AsyncDisposable {
  readonly socket: string;
  readonly publicKey: string;
}

const type = "sk-ssh-ed25519@openssh.com";
const application = "ssh:";

export async function startSecurityKeyAgent(folder: string): Promise<FakeAgent> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const point = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const blob = Buffer.concat([type, point, application].map((part) => wireString(part)));
  // PROTOCOL.u2f of OpenSSH.
  const touched = (data: Buffer) => {
    const counter = Buffer.concat([Buffer.from([1]), wireNumber(7)]);
    const hash = (text: string | Buffer) => createHash("sha256").update(text).digest();
    const signature = sign(null, Buffer.concat([hash(application), counter, hash(data)]), privateKey);
    return Buffer.concat([wireString(type), wireString(signature), counter]);
  };
  const socket = join(folder, "sk.sock");
  const server = createServer((connection) => {
    connection.on("data", (chunk) => {
      const request = new WireReader(new WireReader(chunk as Buffer).string());
      if (request.byte() === 11) {
        const keys = Buffer.concat([Buffer.from([12]), wireNumber(1), wireString(blob), wireString("touch me")]);
        return connection.write(wireString(keys));
      }
      request.string();
      connection.write(wireString(Buffer.concat([Buffer.from([14]), wireString(touched(request.string()))])));
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    publicKey: `${type} ${blob.toString("base64")} touch`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
