import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { tellSessions } from "../../src/agent/sessions.ts";
import { HttpError } from "../../src/http/errors.ts";
import { exchange, type ExchangeRequest, parseAnswer } from "../../src/http/exchange.ts";
import { chooseBinary, platformFrom, platformOf } from "../../src/rent/agent-binary.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";
import { errorOf } from "./rent-fixture.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gpu-parts-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("one HTTP exchange over a stream", () => {
  /** A server that hears the request and answers with these pieces. */
  function talk(pieces: readonly string[], { stays = false, request = { path: "/" } as ExchangeRequest } = {}) {
    const heard: string[] = [];
    const stream = new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        heard.push(String(chunk));
        for (const piece of pieces) stream.push(piece);
        if (!stays) stream.push(null);
        done();
      },
    });
    const clock = new FakeClock({ mode: stays ? "auto" : "manual" });
    const answer = exchange(stream, request, { world: { clock }, service: "the agent", timeoutMs: 5000 });
    return { heard, answer };
  }

  test("sends a body with its length in bytes, and closes", async () => {
    const request = { method: "POST", path: "/extend", headers: { a: "b" }, body: "hours=2€" } as const;
    const { heard, answer } = talk(["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"], { request });
    expect(await answer).toEqual({ status: 200, headers: { "content-length": "2" }, text: "{}" });
    expect(heard.join("")).toBe(
      "POST /extend HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\na: b\r\ncontent-length: 10\r\n\r\nhours=2€",
    );
  });

  test("never lets a header begin another request", async () => {
    const request = { path: "/", headers: { authorization: "Bearer x\r\nx: y" } };
    expect((await errorOf(talk([], { request }).answer)).message).toBe("a header holds a line break");
  });

  test("reads bodies with a length, in chunks and up to the end, in whatever pieces they come", () => {
    const answers = {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh€l": "h€l",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n":
        "ab0123456789",
      "HTTP/1.0 200 OK\r\n\r\nto the end": "to the end",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx": "x",
    };
    for (const [text, body] of Object.entries(answers)) {
      const bytes = Buffer.from(text);
      expect(parseAnswer(bytes, true)?.text).toBe(body);
      for (let length = 0; length < bytes.length - 2; length++) {
        const early = parseAnswer(bytes.subarray(0, length), false);
        // Behind the last chunk nothing is missing but an empty line.
        if (early !== undefined) expect(early.text).toBe(body);
      }
    }
  });

  test("tells what is no HTTP, what is cut, and what never comes", async () => {
    const reasonOf = async (work: Promise<unknown>) => {
      const error = await errorOf(work);
      return error instanceof HttpError ? error.reason : error;
    };
    expect(await reasonOf(talk(["SSH-2.0-OpenSSH_9.2\r\n"]).answer)).toBe("shape");
    expect(await reasonOf(talk(["HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n"]).answer)).toBe("shape");
    expect(await reasonOf(talk(["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"]).answer)).toBe("shape");
    expect(await reasonOf(talk(["HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"]).answer)).toBe("cut");
    expect(await reasonOf(talk([]).answer)).toBe("cut");
    expect(await reasonOf(talk([`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(5_000_000)}`], { stays: true }).answer)).toBe(
      "cut",
    );
    expect(await reasonOf(talk(["HTTP/1.1 200"], { stays: true }).answer)).toBe("timeout");
  });
});

test("a warning reaches the terminals of a machine through `wall`, and a machine without it is none the worse", async () => {
  const wall = join(folder, "wall");
  writeFileSync(wall, `#!/bin/sh\ncat >"$(dirname "$0")/said"\n`, { mode: 0o700 });
  const world = ciWorld({ home: folder, env: { PATH: `${folder}:/usr/bin:/bin` } });
  await tellSessions(world, "the lease ends soon; $(reboot)");
  expect(readFileSync(join(folder, "said"), "utf8")).toBe("the lease ends soon; $(reboot)\n");
  rmSync(wall);
  await tellSessions({ ...world, env: { PATH: folder } }, "nobody hears this");
});

describe("the executable for a machine", () => {
  /** The first bytes of an executable, and nothing else of it. */
  function elf(machine: number, loader: string): Buffer {
    const bytes = Buffer.alloc(1024);
    bytes.write("\x7fELF", "latin1");
    bytes.writeUInt16LE(machine, 18);
    bytes.write(loader, 600, "latin1");
    return bytes;
  }
  const x64 = elf(0x3e, "/lib64/ld-linux-x86-64.so.2\0");
  const file = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  test("is known by its first bytes", async () => {
    const mach = Buffer.alloc(64);
    mach.writeUInt32LE(0xfeedfacf, 0);
    mach.writeUInt32LE(0x0100000c, 4);
    expect(await platformOf(file("a", x64))).toBe("linux-x64");
    expect(await platformOf(file("b", elf(0xb7, "/lib/ld-musl-aarch64.so.1\0")))).toBe("linux-arm64-musl");
    expect(await platformOf(file("c", mach))).toBe("darwin-arm64");
    expect(await platformOf(file("d", "#!/bin/sh\n"))).toBeUndefined();
    expect(await platformOf(file("e", ""))).toBeUndefined();
  });

  test("fits by what `uname` says and which C library is there", () => {
    expect(platformFrom("Linux x86_64\n", false)).toBe("linux-x64");
    expect(platformFrom("Linux aarch64", true)).toBe("linux-arm64-musl");
    expect(platformFrom("Darwin arm64", false)).toBe("darwin-arm64");
    expect(platformFrom("FreeBSD amd64", false)).toBeUndefined();
    expect(platformFrom("Linux riscv64", false)).toBeUndefined();
  });

  test("is this one, else the release's beside it, else none", async () => {
    const self = file("gpu", x64);
    const world = { cwd: folder, env: {}, self: [self] };
    expect(await chooseBinary(world, { platform: "linux-x64" })).toEqual({ path: self });
    expect(await chooseBinary(world, { platform: "linux-arm64" })).toMatchObject({
      none: expect.stringContaining("put `gpu-linux-arm64` of the release beside this one"),
    });
    // A name alone convinces nobody.
    const released = file("gpu-linux-arm64", x64);
    expect(await chooseBinary(world, { platform: "linux-arm64" })).toHaveProperty("none");
    writeFileSync(released, elf(0xb7, "/lib/ld-linux-aarch64.so.1\0"));
    expect(await chooseBinary(world, { platform: "linux-arm64" })).toEqual({ path: released });
  });

  test("is the one that was named, or none", async () => {
    const arm = file("other", elf(0xb7, "/lib/ld-linux-aarch64.so.1\0"));
    const world = { cwd: folder, env: { GPU_AGENT_BINARY: "other" }, self: ["bun", "src/main.ts"] };
    expect(await chooseBinary(world, { platform: "linux-arm64" })).toEqual({ path: arm });
    expect(await chooseBinary(world, { platform: "linux-x64" })).toMatchObject({
      none: expect.stringContaining("is for linux-arm64, and it is linux-x64"),
    });
    const missing = chooseBinary(world, { platform: "linux-x64", named: join(folder, "missing") });
    expect((await errorOf(missing)).message).toContain("cannot read the executable");
  });
});
