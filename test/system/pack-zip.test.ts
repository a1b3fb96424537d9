import { afterEach, beforeEach, expect, test } from "bun:test";
import { zipSync } from "fflate";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { extract } from "../../src/ci/extract.ts";
import { ZipWriter } from "../../src/ci/zip.ts";
import { testWith } from "../needs.ts";

let folder: string;
let target: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pack-zip-"));
  target = join(folder, "out");
  await mkdir(target);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function unpack(bytes: Uint8Array, limits = { entries: 100, bytes: 1e6 }): Promise<void> {
  await Bun.write(join(folder, "it.zip"), bytes);
  await extract(join(folder, "it.zip"), target, { limits });
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
  const { open } = await import("node:fs/promises");
  const { readDirectory } = await import("../../src/ci/zip-directory.ts");
  await using handle = await open(join(folder, "huge.zip"));
  expect(await readDirectory(handle, { maxEntries: 10 })).toMatchObject([
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

test.each([
  ["..", { "a/../../x": text("x") }, "leads out of the project"],
  ["an absolute name", { "/x": text("x") }, "leads out of the project"],
  ["a drive", { "C:\\x": text("x") }, "leads out of the project"],
  ["a name with .. for Windows", { "a\\..\\..\\x": text("x") }, "leads out of the project"],
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
