import { afterEach, beforeEach, expect, test } from "bun:test";
import { zipSync } from "fflate";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { extract } from "../../src/ci/runner/extract.ts";
import { readDirectory } from "../../src/ci/runner/zip-directory.ts";
import { ArchiveFile } from "../../src/ci/runner/zip-file.ts";
import { ZipWriter } from "../../src/ci/pack/zip.ts";
import { testWith } from "../needs.ts";

let folder: string;
let target: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pack-zip-"));
  target = join(folder, "out");
  await mkdir(target);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function unpack(bytes: Uint8Array, platform?: NodeJS.Platform): Promise<void> {
  await Bun.write(join(folder, "it.zip"), bytes);
  await extract(join(folder, "it.zip"), target, { limits: { entries: 100, bytes: 1e6 }, platform });
}

/** What an archive that a Python script makes is refused with; "" when it is not. The script finds its path as `out`. */
async function unpackMadeBy(script: string): Promise<string> {
  const path = join(folder, "it.zip");
  await Bun.$`python3 -c ${`import zipfile, sys, io\nout = sys.argv[1]\n${script}`} ${path}`.quiet();
  return await extract(path, target).then(() => "", (error: Error) => error.message);
}

const text = (content: string) => new TextEncoder().encode(content);

test("modes, folders and content come out as they went in", async () => {
  await unpack(zipSync({
    "a/run": [text("#!/bin/sh\n"), { os: 3, attrs: 0o100755 << 16 }],
    "a/b/": new Uint8Array(0),
    "large": [new Uint8Array(900_000).fill(65), { level: 9 }],
  }));
  expect((await stat(join(target, "a/run"))).mode & 0o777).toBe(0o755);
  expect(await readdir(join(target, "a"))).toEqual(["b", "run"]);
  expect((await readFile(join(target, "large"))).equals(Buffer.alloc(900_000, 65))).toBe(true);
});

testWith("python3")("a file of 4 GiB and more has 8-byte sizes where readers look for them", async () => {
  // The content is short and the sizes are claims: the records are what is tested.
  const zip = new ZipWriter();
  const huge = 5 * 2 ** 30;
  const entry = zip.open({ name: "huge", mode: 0o644 }, { method: 0, expectedBytes: huge });
  const tail = entry.tail({ crc: 1, packedBytes: huge, bytes: huge });
  const after = zip.known({ name: "after", mode: 0o600 }, { method: 0, crc: 2, packedBytes: 3, bytes: 3 });
  const end = Buffer.from(zip.end());
  expect(tail).toHaveLength(24);
  expect(Buffer.from(tail).readBigUInt64LE(8)).toBe(BigInt(huge));
  // Written behind a hole of 5 GiB, so that Python may look for all of it where it should be.
  const script = `
import sys, zipfile
with open(sys.argv[1], "wb") as f:
    f.write(bytes.fromhex(sys.argv[2])); f.seek(${huge}, 1)
    f.write(bytes.fromhex(sys.argv[3])); f.write(b"abc"); f.write(bytes.fromhex(sys.argv[4]))
z = zipfile.ZipFile(sys.argv[1])
print([(i.filename, i.file_size, i.compress_size, i.header_offset) for i in z.infolist()])
z.open("huge").read(10)`;
  const hex = (...parts: Uint8Array[]) => Buffer.concat(parts).toString("hex");
  const said = await Bun.$`python3 -c ${script} ${join(folder, "huge.zip")} ${hex(entry.head)} ${hex(tail, after)} ${
    hex(end)
  }`.text();
  const afterAt = entry.head.length + huge + tail.length;
  expect(said.trim()).toBe(`[('huge', ${huge}, ${huge}, 0), ('after', 3, 3, ${afterAt})]`);
  using archive = new ArchiveFile(join(folder, "huge.zip"));
  expect(readDirectory(archive, { maxEntries: 10 })).toMatchObject([
    { name: "huge", bytes: huge, packedBytes: huge, offset: 0 },
    { name: "after", bytes: 3, packedBytes: 3, offset: afterAt },
  ]);
});

testWith("python3")("more than 65535 files are counted in the larger record", async () => {
  const zip = new ZipWriter();
  const sizes = { method: 0 as const, crc: 0, packedBytes: 0, bytes: 0 };
  const heads = Array.from({ length: 70_000 }, (_, i) => zip.known({ name: `f${i}`, mode: 0o644 }, sizes));
  await Bun.write(join(folder, "many.zip"), Buffer.concat([...heads, zip.end()]));
  const count = await Bun.$`python3 -c ${"import sys,zipfile; print(len(zipfile.ZipFile(sys.argv[1]).namelist()))"} ${
    join(folder, "many.zip")
  }`.text();
  expect(count.trim()).toBe("70000");
  await expect(extract(join(folder, "many.zip"), target, { limits: { entries: 100, bytes: 10 } })).rejects.toThrow(
    "more than 100 files",
  );
});

test("more than 65535 files of a writer without zip64 are all of them", async () => {
  const files = Object.fromEntries(Array.from({ length: 66_000 }, (_, i) => [`f${i}`, new Uint8Array(0)]));
  await Bun.write(join(folder, "many.zip"), zipSync(files, { level: 0 }));
  using archive = new ArchiveFile(join(folder, "many.zip"));
  expect(readDirectory(archive, { maxEntries: 100_000 })).toHaveLength(66_000);
  expect(() => readDirectory(archive, { maxEntries: 65_999 })).toThrow("more than 65999 files");
});

test("nothing is written of what is refused for a name, however late it comes", async () => {
  const files = {
    ...Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}`, text("x")])),
    "a/../../x": text("x"),
  };
  await expect(unpack(zipSync(files))).rejects.toThrow("leads out of the project");
  expect(await readdir(target)).toEqual([]);
});

test("refused: few files in very many folders", async () => {
  const deep = Object.fromEntries(Array.from({ length: 3 }, (_, i) => [`${`${i}/`.repeat(100)}x`, text("x")]));
  await expect(unpack(zipSync(deep))).rejects.toThrow("it holds more than 100 folders");
  expect(await readdir(target)).toEqual([]);
});

test.each([
  ["..", { "a/../../x": text("x") }, "leads out of the project"],
  ["an absolute name", { "/x": text("x") }, "leads out of the project"],
  ["a drive", { "C:\\x": text("x") }, "leads out of the project"],
  ["a name with .. for Windows", { "a\\..\\..\\x": text("x") }, "leads out of the project"],
  ["a device", { x: [text(""), { os: 3, attrs: (0o020666 << 16) >>> 0 }] as never }, "is a device or a pipe"],
  ["a link", { x: [text("/etc"), { os: 3, attrs: (0o120777 << 16) >>> 0 }] as never }, "is a link"],
  ["too much", { x: new Uint8Array(2_000_000) }, "it holds more than 1 MiB"],
  ["too many", Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, text("x")])), "more than 100 files"],
])("refused: %s", async (_case, files, why) => {
  await expect(unpack(zipSync(files))).rejects.toThrow(why);
  expect(await readdir(folder)).toEqual(["it.zip", "out"]);
});

test("refused: a size that is a lie, a name that is there twice, a wrong checksum", async () => {
  const lie = Buffer.from(zipSync({ x: new Uint8Array(900_000) }));
  const central = lie.lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  lie.writeUInt32LE(10, central + 24);
  await expect(unpack(lie)).rejects.toThrow("larger than it says");

  const zip = new ZipWriter();
  const content = text("abc");
  const sizes = { method: 0 as const, crc: crc32(content), packedBytes: 3, bytes: 3 };
  const entry = { name: "twice", mode: 0o644 };
  const twice = [zip.known(entry, sizes), content, zip.known(entry, sizes), content, zip.end()];
  await expect(unpack(Buffer.concat(twice))).rejects.toThrow("is there twice");

  const wrong = Buffer.from(zipSync({ y: text("abc") }, { level: 0 }));
  wrong.writeUInt8(0x7a, wrong.indexOf("abc"));
  await expect(unpack(wrong)).rejects.toThrow("is damaged");
});

test("refused where the system takes two spellings for one name, or knows no such name", async () => {
  const twoCases = zipSync({ "Read/me": text("a"), "read/ME": text("b") });
  await expect(unpack(twoCases, "darwin")).rejects.toThrow('"read/ME" and "Read" are one name on this system');
  await expect(unpack(zipSync({ "é": text("a"), "e\u0301": text("b") }), "darwin")).rejects.toThrow("are one name");
  for (const name of ["aux.txt", "a/COM1", "file.", "a:b", "a\\b"]) {
    await expect(unpack(zipSync({ [name]: text("x") }), "win32")).rejects.toThrow("cannot be written");
  }
  await rm(target, { recursive: true });
  await mkdir(target);
  await unpack(twoCases, "linux");
  expect((await readdir(target)).toSorted()).toEqual(["Read", "read"]);
});

test("refused: files that share their bytes, and what unpacks to a thousand times its size", async () => {
  const zip = new ZipWriter();
  const content = text("abc");
  const sizes = { method: 0 as const, crc: crc32(content), packedBytes: 3, bytes: 3 };
  const head = zip.known({ name: "a", mode: 0o644 }, sizes);
  zip.known({ name: "b", mode: 0o644 }, sizes);
  const shared = Buffer.from(zip.end());
  // The second entry's place becomes the first one's.
  shared.writeUInt32LE(0, shared.lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 42);
  shared.writeUInt32LE(head.length + 3, shared.length - 6);
  await expect(unpack(Buffer.concat([head, content, shared]))).rejects.toThrow('"a" and "b" overlap');

  const bomb = Buffer.from(zipSync({ x: new Uint8Array(100_000) }));
  bomb.writeUInt32LE(2 ** 31, bomb.lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 24);
  await Bun.write(join(folder, "it.zip"), bomb);
  await expect(extract(join(folder, "it.zip"), target)).rejects.toThrow(/would unpack to \d+ times its size/);
  expect(await readdir(target)).toEqual([]);
});

testWith("python3")(
  "what Python's zipfile writes is read: deflated, with sizes behind the content, and zip64",
  async () => {
    expect(
      await unpackMadeBy(`
class Pipe(io.RawIOBase):  # what cannot seek has sizes behind the content
    def __init__(self): self.file = open(out, "wb")
    def writable(self): return True
    def write(self, data): return self.file.write(data)
with zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("streamed/é.txt", "s" * 5000)
    with z.open("large", "w", force_zip64=True) as f: f.write(b"l" * 3_000_000)
    z.writestr(zipfile.ZipInfo("empty/"), "")
`),
    ).toBe("");
    expect((await readdir(target, { recursive: true })).toSorted()).toEqual([
      "empty",
      "large",
      "streamed",
      "streamed/é.txt",
    ]);
    expect((await stat(join(target, "large"))).size).toBe(3_000_000);
  },
);

testWith("python3")("refused: what is cut off anywhere, and a directory that lies", async () => {
  await unpackMadeBy(`z = zipfile.ZipFile(out, "w"); z.writestr("a", "x" * 1000); z.writestr("b", "y"); z.close()`);
  const whole = await readFile(join(folder, "it.zip"));
  for (const length of [0, 10, 500, whole.length - 30, whole.length - 1]) {
    await rm(target, { recursive: true });
    await mkdir(target);
    await expect(unpack(whole.subarray(0, length))).rejects.toThrow(/cut off|is empty|damaged/);
  }
  const lie = Buffer.from(whole);
  lie.writeUInt16LE(3000, lie.length - 12);
  await expect(unpack(lie)).rejects.toThrow(/damaged|more than 100 files/);
  expect(await readdir(target)).toEqual([]);
});

testWith("zip")("refused: what is encrypted, and links as Info-ZIP writes them", async () => {
  await Bun.write(join(folder, "secret"), "content");
  await Bun.$`zip -q -P password it.zip secret`.cwd(folder);
  await expect(extract(join(folder, "it.zip"), target)).rejects.toThrow('"secret" is encrypted');
  await Bun.$`ln -s /etc link && rm it.zip && zip -qy it.zip link`.cwd(folder);
  await expect(extract(join(folder, "it.zip"), target)).rejects.toThrow('"link" is a link');
  expect(await readdir(target)).toEqual([]);
});
