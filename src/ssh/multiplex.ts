import type { Duplex } from "node:stream";
import type { Client, ClientChannel } from "ssh2";
import { messageOf } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import { oneLine } from "../safe-text.ts";
import type { World } from "../world.ts";
import { ChannelGate } from "./channels.ts";
import { type Ask, execute } from "./exec.ts";
import { addressText, SshError } from "./failure.ts";
import { endedInOrder, serverSoftware } from "./internals.ts";
import { remotePorts } from "./remote-ports.ts";
import type { Session } from "./session.ts";
import { openSftp } from "./sftp/client.ts";
import { download, upload } from "./transfer.ts";

interface Connection {
  readonly client: Client;
  readonly socket: Duplex;
  readonly address: SshAddress;
  readonly world: Pick<World, "clock" | "random">;
}

/** A session over a client that has logged in. */
export function createSession({ client, socket, address, world }: Connection): Session {
  const gate = new ChannelGate(() => world.clock.sleep(20));
  const open = new Set<{ channel: object; cut: (error: Error) => void }>();
  const closed = Promise.withResolvers<Error | undefined>();
  let isClosing = false;
  let isOver = false;
  let cause: unknown;

  const lost = () => {
    const detail = cause === undefined ? "" : `: ${oneLine(messageOf(cause), 300)}`;
    return new SshError(`the SSH session with \`${addressText(address)}\` was lost${detail}`, {
      reason: "lost",
      cause,
    });
  };
  client.on("error", (error) => cause ??= error);
  client.on("end", () => socket.destroy());
  // ssh2 ends every channel after this event as if in order, so what is cut is told apart here.
  client.prependListener("close", () => {
    isOver = true;
    const error = lost();
    for (const { channel, cut } of open) if (!endedInOrder(channel)) cut(error);
    gate.close();
    closed.resolve(isClosing ? undefined : error);
  });

  const watch = (channel: object, cut: (error: Error) => void) => {
    const entry = { channel, cut };
    open.add(entry);
    return () => void open.delete(entry);
  };
  const watchStream = (stream: Duplex) => {
    stream.once("close", watch(stream, (error) => stream.emit("error", error)));
    // Who has let go of the stream need not listen to how it ends.
    stream.on("error", () => {});
  };
  /** ssh2 throws where it is not connected any more. */
  const ask: Ask = (start) =>
    new Promise((resolve, reject) => {
      try {
        if (isOver) throw lost();
        start(resolve, (error) => reject(isOver ? lost() : error));
      } catch (error) {
        reject(isOver || !socket.writable ? lost() : error);
      }
    });

  const sftp = async () => {
    const channel = await gate.open(
      () =>
        ask<ClientChannel>((done, fail) =>
          client.subsys("sftp", (error, opened) => error ? fail(error) : done(opened))
        ),
      (opened) => opened,
    ).catch((error: unknown) => {
      if (error instanceof SshError) throw error;
      throw new SshError("the SSH server offers no file transfer", { reason: "channel", cause: error });
    });
    const isTargetFirst = /^(OpenSSH|dropbear)/.test(serverSoftware(client));
    return await openSftp(channel, closed.promise, { isTargetFirst });
  };

  return {
    address,
    closed: closed.promise,
    exec: (command, options = {}) => execute({ client, address, world, gate, watch, ask }, command, options),
    async openStream(host, port) {
      const channel = await ask<ClientChannel>((done, fail) =>
        client.forwardOut("127.0.0.1", 0, host, port, (error, channel) => error ? fail(error) : done(channel))
      ).catch((error: unknown) => {
        if (error instanceof SshError) throw error;
        const why = oneLine(messageOf(error), 300).replace("(SSH) Channel open failure: ", "");
        const text = `\`${host}:${port}\` cannot be reached from \`${addressText(address)}\`: ${why}`;
        throw new SshError(text, { reason: "channel", cause: error });
      });
      watchStream(channel);
      return channel;
    },
    listen: remotePorts({ client, ask, watch: watchStream }),
    sftp,
    upload: (localPath, remotePath, options = {}) => upload({ sftp, world, localPath, remotePath, ...options }),
    download: (remotePath, localPath, options = {}) => download({ sftp, world, localPath, remotePath, ...options }),
    async latency() {
      const startedAt = world.clock.monotonic();
      // Any server answers this with "no", in order: ssh2 has no ping of its own to wait for.
      await ask<void>((done, fail) => client.unforwardIn("probe.invalid", 1, () => isOver ? fail(lost()) : done()));
      return world.clock.monotonic() - startedAt;
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      if (isOver) return;
      client.end();
      // What is still open has its time to end; else the other side's goodbye is nothing to wait for.
      const said = open.size > 0 || socket.writableFinished
        ? new Promise<void>(() => {})
        : new Promise<void>((resolve) => socket.once("finish", resolve));
      const late = new AbortController();
      await Promise.race([closed.promise, said, world.clock.sleep(500, late.signal).catch(() => {})]);
      late.abort();
      socket.destroy();
      await closed.promise;
    },
  };
}
