import { once } from "node:events";
import type { ServerChannel } from "ssh2";
import { messageOf } from "../../errors.ts";
import { answerer } from "./sftp-files.ts";
import { versionReply } from "./sftp-replies.ts";
import { longestPacket, MalformedPacket, PacketReader, requests } from "../sftp/wire.ts";

interface SftpSession {
  readonly channel: ServerChannel;
  /** What relative paths are relative to. */
  readonly home: string;
  /** The client names the link before its target, as the draft says and as OpenSSH does not. */
  readonly isLinkFirst: boolean;
  readonly now: () => number;
  readonly gone: AbortSignal;
  readonly log: (line: string) => void;
}

/** Serves SFTP on a channel: one request after the other, because scp loses bytes when answers overtake each other. */
export function serveSftp({ log, ...session }: SftpSession): void {
  const { channel, gone } = session;
  void serve(session).catch((error) => {
    if (!gone.aborted) log(`sftp: ${messageOf(error)}`);
    return 1;
  }).then((code = 0) => {
    // Without an exit status and an end, scp waits for ever.
    channel.exit(code);
    channel.end();
  });
}

async function serve({ channel, home, isLinkFirst, now, gone }: Omit<SftpSession, "log">): Promise<number> {
  await using files = answerer({ home, isLinkFirst, now });
  for await (const packet of packets(channel, gone)) {
    const isRoom = channel.write(await answer(packet));
    if (!isRoom) await drained(channel, gone);
    if (gone.aborted) break;
  }
  return 0;

  function answer(packet: Buffer): Promise<Buffer> | Buffer {
    const reader = new PacketReader(packet);
    const type = reader.byte();
    if (type !== requests.init) return files.answer(type, reader.uint32(), reader);
    return versionReply({
      "posix-rename@openssh.com": "1",
      "hardlink@openssh.com": "1",
      "fsync@openssh.com": "1",
      "lsetstat@openssh.com": "1",
      "limits@openssh.com": "1",
    });
  }
}

/** The client's packets, without their length. Nothing is read ahead of the one being answered but one SSH window. */
async function* packets(channel: ServerChannel, gone: AbortSignal): AsyncGenerator<Buffer> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks(channel, gone)) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE();
      if (length === 0 || length > longestPacket) throw new MalformedPacket(`a packet of ${length} bytes`);
      if (pending.length < length + 4) break;
      yield pending.subarray(4, length + 4);
      pending = pending.subarray(length + 4);
    }
  }
}

/** Iterating over the channel itself would close it at its end, before the last answers are sent. */
async function* chunks(channel: ServerChannel, gone: AbortSignal): AsyncGenerator<Buffer> {
  let wake = () => {};
  let isOver = false;
  const end = () => {
    isOver = true;
    wake();
  };
  channel.on("readable", () => wake());
  channel.once("end", end);
  gone.addEventListener("abort", end, { once: true });
  while (true) {
    const chunk: unknown = channel.read();
    if (Buffer.isBuffer(chunk)) yield chunk;
    else if (isOver) return;
    else await new Promise<void>((resolve) => wake = resolve);
  }
}

async function drained(channel: ServerChannel, gone: AbortSignal): Promise<void> {
  await once(channel, "drain", { signal: gone }).catch(() => {});
}
