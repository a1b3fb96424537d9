import { GpuError } from "../../errors.ts";
import { oneLine } from "../../safe-text.ts";
import { type Answer, type Channel, openExchange } from "./exchange.ts";
import {
  attributeFields,
  type Attributes,
  MalformedPacket,
  type PacketReader,
  replies,
  requests,
  statusCodes,
  string,
  uint32,
  uint64,
} from "./wire.ts";

/** Files of a remote. Paths are bytes, relative to the home of who logged in; what comes back is the server's word, unchecked. */
export interface Sftp extends AsyncDisposable {
  /** The most bytes that one `read` or `write` may ask for. */
  readonly blockBytes: number;
  open(path: Buffer, how: OpenHow): Promise<Buffer>;
  close(handle: Buffer): Promise<void>;
  /** What is there, which may be less than was asked for; undefined at the end of the file. */
  read(handle: Buffer, position: number, length: number): Promise<Buffer | undefined>;
  /** `data` must not change before this is resolved. */
  write(handle: Buffer, position: number, data: Buffer): Promise<void>;
  /** Of what a link leads to. */
  stat(path: Buffer): Promise<Attributes>;
  lstat(path: Buffer): Promise<Attributes>;
  statOpen(handle: Buffer): Promise<Attributes>;
  setStat(path: Buffer, attributes: Attributes): Promise<void>;
  setStatOpen(handle: Buffer, attributes: Attributes): Promise<void>;
  /** Batches of what is in a folder, as the server sends them. */
  list(path: Buffer): AsyncGenerator<Listed[]>;
  makeFolder(path: Buffer, mode: number): Promise<void>;
  remove(path: Buffer): Promise<void>;
  removeFolder(path: Buffer): Promise<void>;
  /** Replaces what is at `to`, in one step where the server can. */
  rename(from: Buffer, to: Buffer): Promise<void>;
  readLink(path: Buffer): Promise<Buffer>;
  makeLink(target: Buffer, path: Buffer): Promise<void>;
  realPath(path: Buffer): Promise<Buffer>;
}

export interface Listed {
  readonly name: Buffer;
  readonly attributes: Attributes;
}

export interface OpenHow {
  /** `new`: it must not be there; `change`: it must. */
  readonly for: "read" | "new" | "change";
  /** Permissions of a new file. */
  readonly mode?: number;
}

/** The server said no. `code` is its status, as `statusCodes` names them. */
export class SftpError extends GpuError {
  override name = "SftpError";
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

const openBits = { read: 1, new: 2 | 8 | 32, change: 1 | 2 } as const;
/** What every server takes (draft-ietf-secsh-filexfer-02, section 3). */
const smallestBlock = 32 * 1024;
/** OpenSSH's own limit, less the header of a request. */
const largestBlock = 255 * 1024;

export interface SftpOptions {
  /** OpenSSH, and who copies it, takes the two paths of a new link the other way round than the draft says. */
  readonly isTargetFirst: boolean;
}

/** Starts SFTP on a channel. */
export async function openSftp(
  channel: Channel,
  closed: Promise<Error | undefined>,
  { isTargetFirst }: SftpOptions,
): Promise<Sftp> {
  const exchange = await openExchange(channel, closed);
  const { ask } = exchange;
  const can = (name: string) => exchange.extensions.has(name);
  const done = async (answer: Promise<Answer>) => checkStatus(await answer);
  const attributes = async (answer: Promise<Answer>) => bodyOf(await answer, replies.attributes).attributes();
  const oneName = async (answer: Promise<Answer>) => {
    const body = bodyOf(await answer, replies.name);
    if (body.uint32() !== 1) throw new MalformedPacket("several names where one is meant");
    return body.bytes();
  };
  const remove = (path: Buffer) => done(ask(requests.remove, string(path)));
  return {
    blockBytes: can("limits@openssh.com") ? await blockLimit(ask) : smallestBlock,
    async open(path, { for: purpose, mode }) {
      const answer = ask(requests.open, string(path), uint32(openBits[purpose]), attributeFields({ mode }));
      return bodyOf(await answer, replies.handle).bytes();
    },
    close: (handle) => done(ask(requests.close, string(handle))),
    async read(handle, position, length) {
      const answer = await ask(requests.read, string(handle), uint64(position), uint32(length));
      if (answer.type === replies.status && isEnd(answer.body)) return undefined;
      const data = bodyOf(answer, replies.data).bytes();
      if (data.length > length) throw new MalformedPacket("more than was asked for");
      return data;
    },
    write: (handle, position, data) =>
      done(ask(requests.write, string(handle), uint64(position), uint32(data.length), data)),
    stat: (path) => attributes(ask(requests.stat, string(path))),
    lstat: (path) => attributes(ask(requests.lstat, string(path))),
    statOpen: (handle) => attributes(ask(requests.fstat, string(handle))),
    setStat: (path, to) => done(ask(requests.setstat, string(path), attributeFields(to))),
    setStatOpen: (handle, to) => done(ask(requests.fsetstat, string(handle), attributeFields(to))),
    async *list(path) {
      const handle = bodyOf(await ask(requests.opendir, string(path)), replies.handle).bytes();
      try {
        // The next batch is asked for before this one is looked at.
        for (let next = ask(requests.readdir, string(handle));;) {
          const answer = await next;
          if (answer.type === replies.status && isEnd(answer.body)) return;
          next = ask(requests.readdir, string(handle));
          next.catch(() => {});
          yield namesIn(bodyOf(answer, replies.name));
        }
      } finally {
        void done(ask(requests.close, string(handle))).catch(() => {});
      }
    },
    makeFolder: (path, mode) => done(ask(requests.mkdir, string(path), attributeFields({ mode }))),
    remove,
    removeFolder: (path) => done(ask(requests.rmdir, string(path))),
    async rename(from, to) {
      if (can("posix-rename@openssh.com")) {
        return await done(ask(requests.extended, string("posix-rename@openssh.com"), string(from), string(to)));
      }
      // Version 3 never replaces: for a moment nothing is there.
      await remove(to).catch((error: unknown) => {
        if (!(error instanceof SftpError)) throw error;
      });
      await done(ask(requests.rename, string(from), string(to)));
    },
    readLink: (path) => oneName(ask(requests.readlink, string(path))),
    makeLink: (target, path) => {
      const [first, second] = isTargetFirst ? [target, path] : [path, target];
      return done(ask(requests.symlink, string(first), string(second)));
    },
    realPath: (path) => oneName(ask(requests.realpath, string(path))),
    [Symbol.asyncDispose]() {
      exchange.close();
      return Promise.resolve();
    },
  };
}

type Ask = (type: number, ...parts: readonly Buffer[]) => Promise<Answer>;

/** `limits@openssh.com`: longest packet, read, write, and how many handles. */
async function blockLimit(ask: Ask): Promise<number> {
  const answer = await ask(requests.extended, string("limits@openssh.com"));
  if (answer.type !== replies.extended) return smallestBlock;
  const [, read, write] = [answer.body.uint64(), answer.body.uint64(), answer.body.uint64()];
  return Math.max(smallestBlock, Math.min(read, write, largestBlock));
}

function namesIn(body: PacketReader): Listed[] {
  const count = body.uint32();
  const found: Listed[] = [];
  for (let index = 0; index < count; index++) {
    const name = body.bytes();
    body.bytes(); // Its line of `ls -l`.
    found.push({ name, attributes: body.attributes() });
  }
  return found;
}

function bodyOf({ type, body }: Answer, wanted: number): PacketReader {
  if (type === wanted) return body;
  if (type === replies.status) throw refusal(body);
  throw new MalformedPacket(`an answer of type ${type}`);
}

function checkStatus({ type, body }: Answer): void {
  if (type !== replies.status) throw new MalformedPacket(`an answer of type ${type}`);
  const failure = refusal(body);
  if (failure.code !== statusCodes.ok) throw failure;
}

function isEnd(body: PacketReader): boolean {
  const failure = refusal(body);
  if (failure.code === statusCodes.endOfFile) return true;
  throw failure;
}

const texts: Readonly<Record<number, string>> = {
  [statusCodes.endOfFile]: "it ended too early",
  [statusCodes.noSuchFile]: "there is no such file",
  [statusCodes.permissionDenied]: "permission denied",
  [statusCodes.unsupported]: "the server cannot do that",
};

function refusal(body: PacketReader): SftpError {
  const code = body.uint32();
  const text = body.left >= 4 ? oneLine(body.text(), 200) : "";
  return new SftpError(texts[code] ?? (text === "" ? "the server refused" : text), code);
}
