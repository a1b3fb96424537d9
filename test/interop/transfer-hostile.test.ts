import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import ssh2, { type ServerChannel } from "ssh2";
import { GpuError } from "../../src/errors.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { connect, type Session } from "../../src/ssh/session.ts";
import { packet, PacketReader, requests, string, uint32, uint64 } from "../../src/ssh/sftp/wire.ts";
import { PacketSplitter } from "../../src/ssh/sftp/packets.ts";
import { realWorld } from "./sshd.ts";
import { copy, here, openContext, scratch, sync, there } from "./transfer-fixture.ts";

const host = generateKeyPair("host");
const client = generateKeyPair("client");

interface Hostile {
  /** What the server answers to an SFTP packet; nothing: nothing at all. */
  sftp?(type: number, id: number, request: PacketReader): Buffer | undefined;
  /** What a command prints, and its exit code. */
  exec?(command: string, channel: ServerChannel): void;
}

/** A server that says what it is told to, and a session on it. */
async function against({ sftp, exec }: Hostile): Promise<{ session: Session } & AsyncDisposable> {
  const ssh = new ssh2.Server({ hostKeys: [host.privateKey] }, (connection) => {
    connection.on("error", () => {});
    connection.on("authentication", (request) => request.accept());
    connection.on("ready", () =>
      connection.on("session", (accept) => {
        const session = accept();
        if (exec) session.on("exec", (accept, _reject, { command }) => exec(command, accept()));
        session.on(
          "subsystem" as never,
          ((accept: () => ServerChannel, reject: () => void) => {
            if (!sftp) return reject();
            const channel = accept();
            const splitter = new PacketSplitter();
            channel.on("data", (chunk: Buffer) => {
              for (const bytes of splitter.push(chunk)) {
                const reader = new PacketReader(bytes);
                const type = reader.byte();
                const answer = type === requests.init ? packet(2, uint32(3)) : sftp(type, reader.uint32(), reader);
                if (answer) channel.write(answer);
              }
            });
          }) as never,
        );
      }));
  });
  const server = createServer((socket) => void Reflect.apply(ssh.injectSocket, ssh, [socket]));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const session = await connect({
    world: realWorld,
    address: { host: "127.0.0.1", port, user: "x" },
    privateKey: client.privateKey,
    hostKey: host.publicKey,
  });
  return {
    session,
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      server.close();
    },
  };
}

const modes = { file: 0o100644, folder: 0o40755, link: 0o120777 } as const;
const attributes = (kind: keyof typeof modes) => Buffer.concat([uint32(1 | 4), uint64(5), uint32(modes[kind])]);

/** A tree that is one folder with these names. */
function folderOf(names: readonly (readonly [string, keyof typeof modes])[]): NonNullable<Hostile["sftp"]> {
  let isListed = false;
  return (type, id, request) => {
    const status = (code: number) => packet(101, uint32(id), uint32(code), string(""), string(""));
    const path = type === requests.close ? "" : request.bytes().toString("latin1");
    switch (type) {
      case requests.stat:
        return packet(105, uint32(id), attributes("folder"));
      case requests.opendir:
        return packet(102, uint32(id), string(Buffer.from(path === "root" ? "d" : "e")));
      case requests.readdir: {
        if (path === "e" || isListed) return status(1);
        isListed = true;
        const entries = names.flatMap((
          [name, kind],
        ) => [string(Buffer.from(name, "latin1")), string("x"), attributes(kind)]);
        return packet(104, uint32(id), uint32(names.length), ...entries);
      }
      case requests.readlink:
        return packet(104, uint32(id), uint32(1), string("/etc/passwd"), string(""), uint32(0));
      case requests.open:
        return packet(102, uint32(id), string("f"));
      case requests.fstat:
        return packet(105, uint32(id), attributes("file"));
      case requests.read: {
        const at = request.uint64();
        return at > 0 ? status(1) : packet(103, uint32(id), string("pwned"));
      }
      default:
        return status(0);
    }
  };
}

test("names from a machine write nothing outside of the folder, and no command to the terminal", async () => {
  using folder = scratch();
  mkdirSync(join(folder.path, "in"));
  await using hostile = await against({
    sftp: folderOf([
      ["../escape", "file"],
      ["/tmp/gpu-escape", "file"],
      ["..", "folder"],
      ["a/b", "file"],
      ["", "file"],
      ["out", "link"],
      ["out", "folder"],
      ["out", "file"],
      ["\x1b]0;title\x07\n", "file"],
      ["fine", "file"],
    ]),
  });
  await using from = await there(hostile.session, "root");
  const { skipped } = await copy([from], here(join(folder.path, "in")));
  expect(readdirSync(folder.path)).toEqual(["in"]);
  expect(readdirSync(join(folder.path, "in/root")).toSorted()).toEqual(["\x1b]0;title\x07\n", "fine"]);
  expect(existsSync("/tmp/gpu-escape")).toBe(false);
  expect(skipped.map(({ why }) => why)).toContain("it is a link that leads out");
  for (const { name } of skipped) expect(name).not.toMatch(/[\x00-\x1f\x7f]/);
});

test("a link that is there already is not written through", async () => {
  using folder = scratch();
  mkdirSync(join(folder.path, "in/root"), { recursive: true });
  mkdirSync(join(folder.path, "outside"));
  writeFileSync(join(folder.path, "outside/file"), "mine");
  symlinkSync(join(folder.path, "outside"), join(folder.path, "in/root/dir"));
  symlinkSync(join(folder.path, "outside/file"), join(folder.path, "in/root/file"));
  await using folders = await against({ sftp: folderOf([["dir", "folder"]]) });
  await using from = await there(folders.session, "root");
  await expect(copy([from], here(join(folder.path, "in")))).rejects.toThrow("is a link, which is not followed");
  await using files = await against({ sftp: folderOf([["file", "file"]]) });
  await using second = await there(files.session, "root");
  await copy([second], here(join(folder.path, "in")));
  expect(readFileSync(join(folder.path, "outside/file"), "utf8")).toBe("mine");
  expect(readFileSync(join(folder.path, "in/root/file"), "utf8")).toBe("pwned");
});

const broken: Record<string, NonNullable<Hostile["sftp"]>> = {
  "an answer to nothing": (_type, id) => packet(101, uint32(id + 7), uint32(0), string(""), string("")),
  "a packet that ends too early": (_type, id) => packet(105, uint32(id), uint32(1)),
  "a packet without end": () => Buffer.from("ffffffff00", "hex"),
  "an answer of another type": (_type, id) => packet(103, uint32(id), string("x")),
  "a refusal with an escape sequence": (_type, id) =>
    packet(101, uint32(id), uint32(4), string("\x1b[2Jno\n"), string("")),
};
for (const [name, sftp] of Object.entries(broken)) {
  test(`a server that sends ${name} ends the copy with an error`, async () => {
    using folder = scratch();
    await using hostile = await against({ sftp });
    await using from = await there(hostile.session, "root");
    const error = await copy([from], here(folder.path)).then(() => undefined, (error: Error) => error);
    expect(error).toBeInstanceOf(GpuError);
    expect(error?.message).not.toMatch(/[\x00-\x1f]/);
  });
}

test("more bytes than were asked for are refused", async () => {
  using folder = scratch();
  const honest = folderOf([["file", "file"]]);
  await using hostile = await against({
    sftp: (type, id, request) =>
      type === requests.read ? packet(103, uint32(id), string("x".repeat(40_000))) : honest(type, id, request),
  });
  await using from = await there(hostile.session, "root");
  const error = await copy([from], here(folder.path)).catch((error) => error);
  expect([error instanceof GpuError, error.message]).toEqual([
    true,
    expect.stringContaining("more than was asked for"),
  ]);
});

test.each(["../escape", "/tmp/gpu-escape", "a/../../escape", "link/inside"])(
  "a sync from a machine that lists `%s` ends with an error",
  async (name) => {
    using folder = scratch();
    await using hostile = await against({
      exec(_command, channel) {
        channel.write(`gpu-list-1 gnu tar xargs\0l 777 1 1 link\0/etc\0d 755 1 1 a\0\0f 644 1 1 ${name}\0\0`);
        channel.exit(0);
        channel.end();
      },
    });
    await expect(sync(openContext(folder.path), hostile.session, { dir: "in", to: "x", pull: true })).rejects.toThrow(
      "list of files cannot be read",
    );
    expect(readdirSync(folder.path)).toEqual([]);
  },
);

test("what a machine says on stderr reaches nobody's terminal raw", async () => {
  using folder = scratch();
  mkdirSync(join(folder.path, "src"));
  writeFileSync(join(folder.path, "src/a"), "");
  await using hostile = await against({
    exec(command, channel) {
      if (command.includes("gpu-list-1")) channel.write("gpu-list-1 missing tar xargs\0");
      else channel.stderr.write("tar: \x1b[2J\x1b]0;pwned\x07 no\n");
      channel.exit(command.includes("gpu-list-1") ? 0 : 2);
      channel.end();
    },
  });
  const error: Error = await sync(openContext(folder.path), hostile.session, { dir: "src", to: "x" })
    .then(() => new Error("none"), (error) => error);
  expect(error.message).toContain("cannot unpack there: tar:");
  expect(error.message).not.toMatch(/[\x00-\x1f]/);
});
