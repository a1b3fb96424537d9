import { connect } from "node:net";
import { GpuError, messageOf } from "../errors.ts";
import { oneLine } from "../safe-text.ts";
import { wireNumber, WireReader, wireString } from "./wire.ts";

/** A key that an SSH agent holds: only its public half is ever seen here. */
export interface AgentKey {
  /** Of a certificate, the whole certificate. */
  readonly blob: Buffer;
  readonly comment: string;
}

// https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent: numbers of messages and flags.
const requestIdentities = 11;
const identitiesAnswer = 12;
const signRequest = 13;
const signResponse = 14;
const flags = { "rsa-sha2-256": 2, "rsa-sha2-512": 4 } as const;

/** An agent that never answers must not keep anybody from trying other keys. A touch or a PIN takes a person a while. */
const answerMs = { list: 5_000, sign: 60_000 } as const;
const longestAnswer = 256 * 1024;

/** The keys that the agent at this socket holds. */
export async function listAgentKeys(socket: string): Promise<AgentKey[]> {
  const reader = new WireReader(await request(socket, Buffer.from([requestIdentities]), answerMs.list));
  if (reader.byte() !== identitiesAnswer) throw refusal(socket, "it does not list its keys");
  return Array.from({ length: Math.min(reader.number(), 2048) }, () => ({
    blob: Buffer.from(reader.string()),
    comment: oneLine(reader.text(), 100),
  }));
}

/** Has the agent sign; returns the whole signature, its algorithm first. */
export async function signWithAgent(
  socket: string,
  { blob, data, hash }: { blob: Buffer; data: Buffer; hash: keyof typeof flags | undefined },
): Promise<Buffer> {
  const message = [
    Buffer.from([signRequest]),
    wireString(blob),
    wireString(data),
    wireNumber(hash === undefined ? 0 : flags[hash]),
  ];
  const reader = new WireReader(await request(socket, Buffer.concat(message), answerMs.sign));
  if (reader.byte() !== signResponse) throw refusal(socket, "it does not sign with that key");
  return Buffer.from(reader.string());
}

/** One question, one answer, without its length. */
function request(socket: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    const fail = (error: unknown) => {
      connection.destroy();
      reject(refusal(socket, messageOf(error), error));
    };
    let received = Buffer.alloc(0);
    connection.setTimeout(timeoutMs, () => fail(new Error("it does not answer")));
    connection.once("error", fail);
    connection.once("close", () => fail(new Error("it hung up")));
    connection.once("connect", () => connection.write(wireString(message)));
    connection.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4) return;
      const length = received.readUInt32BE();
      if (length === 0 || length > longestAnswer) return fail(new Error("it talks nonsense"));
      if (received.length < 4 + length) return;
      connection.removeAllListeners("close");
      connection.destroy();
      resolve(received.subarray(4, 4 + length));
    });
  });
}

function refusal(socket: string, why: string, cause?: unknown): GpuError {
  return new GpuError(`the SSH agent at \`${socket}\` is of no help: ${oneLine(why, 200)}`, { cause });
}
