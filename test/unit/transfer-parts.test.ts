import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GpuError } from "../../src/errors.ts";
import { bytesText } from "../../src/bytes-text.ts";
import { Gauge } from "../../src/transfer/amounts.ts";
import { ListingReader } from "../../src/transfer/far-listing.ts";
import { compare, type Found, type Listing } from "../../src/transfer/listing.ts";
import { foldedName, leadsOut, nameProblem, shown, toBytes } from "../../src/transfer/names.ts";
import { unpack } from "../../src/transfer/near.ts";
import { parsePlace } from "../../src/transfer/place.ts";
import { RuleBook } from "../../src/transfer/rule-book.ts";
import { readTar } from "../../src/transfer/tar-read.ts";
import { tarEnd, tarHeader, tarPadding } from "../../src/transfer/tar-write.ts";

test.each([
  ["a", { kind: "local", path: "a" }],
  ["./a:b", { kind: "local", path: "./a:b" }],
  ["/x/a:b", { kind: "local", path: "/x/a:b" }],
  ["box:a", { kind: "remote", target: "box", path: "a" }],
  ["box:", { kind: "remote", target: "box", path: "" }],
  [":a", { kind: "remote", target: undefined, path: "a" }],
  ["box:a:b", { kind: "remote", target: "box", path: "a:b" }],
  ["box:~/a", { kind: "remote", target: "box", path: "a" }],
  ["box:~", { kind: "remote", target: "box", path: "" }],
  ["box:/a", { kind: "remote", target: "box", path: "/a" }],
  ["me@box:é", { kind: "remote", target: "me@box", path: toBytes("é") }],
  ["[::1]:a", { kind: "remote", target: "[::1]", path: "a" }],
  ["me@[2001:db8::1]:a:b", { kind: "remote", target: "me@[2001:db8::1]", path: "a:b" }],
  ["[box]:a", { kind: "remote", target: "box", path: "a" }],
  ["me@box:2222:/a", { kind: "remote", target: "me@box:2222", path: "/a" }],
  ["box:2222:a", { kind: "remote", target: "box", path: "2222:a" }],
  ["me@box:./2222:a", { kind: "remote", target: "me@box", path: "./2222:a" }],
  ["[::1]:2222:a", { kind: "remote", target: "[::1]:2222", path: "a" }],
])("`%s` is a place", (word, place) => {
  expect(parsePlace(word, "linux") as unknown).toEqual(place);
});

test("on Windows a drive is no machine", () => {
  expect(parsePlace("C:\\x", "win32")).toEqual({ kind: "local", path: "C:\\x" });
  expect(parsePlace("C:/x", "win32")).toEqual({ kind: "local", path: "C:/x" });
  expect(parsePlace("C:x", "win32")).toMatchObject({ kind: "remote", target: "C" });
  expect(parsePlace("C:/x", "linux")).toMatchObject({ kind: "remote", target: "C" });
});

test("names that lead elsewhere are refused, on Windows also those that mean something there", () => {
  for (const name of ["", ".", "..", "a/b", "a\0b"]) expect(nameProblem(name, "linux")).toBeDefined();
  for (const name of ["a", "a\\b", "c:x", "nul", "a ", "-rf", "...", "\n"]) {
    expect(nameProblem(name, "linux")).toBeUndefined();
  }
  for (const name of ["a\\b", "c:x", "nul", "NUL.txt", "a ", "a.", "a?", "x\n", "COM1"]) {
    expect(nameProblem(name, "win32")).toBeDefined();
  }
  expect(foldedName(toBytes("É"), "darwin")).toBe(foldedName(toBytes("é"), "darwin"));
  expect(foldedName("A", "linux")).not.toBe(foldedName("a", "linux"));
});

test("a link that leads out of its tree is known", () => {
  for (
    const [folder, target] of [[".", "/etc"], [".", "../x"], ["a", "../../x"], ["a/b", "../c/../../../x"]] as const
  ) {
    expect(leadsOut(folder, target, "linux")).toBe(true);
  }
  for (
    const [folder, target] of [[".", "x"], ["a", "../x"], ["a/b", "../../c"], ["a", "b/../.."], [".", "\\x"]] as const
  ) {
    expect(leadsOut(folder, target, "linux")).toBe(false);
  }
  expect(leadsOut(".", "\\x", "win32")).toBe(true);
  expect(leadsOut(".", "c:x", "win32")).toBe(true);
});

test("no name reaches a terminal as it is", () => {
  expect(shown("a\x1b[2Jb\n")).toBe("a\\x1b[2Jb\\x0a");
  expect(shown("\xff\x1b")).toBe("\\xff\\x1b");
  expect(shown(toBytes("über\u202egnp"))).toBe("über\\u{202e}gnp");
  expect(shown(toBytes("日本"))).toBe("日本");
  expect(shown(" ")).toBe('" "');
});

const found = (kind: Found["kind"], rest: Partial<Found> = {}): Found => ({
  kind,
  bytes: 1,
  mode: 0o644,
  mtime: 10,
  ...rest,
});
const difference = (source: Record<string, Found>, there: Record<string, Found>, isDeleting = false) => {
  const listing = (from: Record<string, Found>): Listing =>
    new Map(Object.entries(from).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return compare({
    ...{ source: listing(source), there: listing(there), isDeleting, hasModes: true },
    isProtected: (path) => path.endsWith(".o"),
  });
};

test("only what differs is sent", () => {
  const { files, links, folders, removed, removedFolders, same, bytes } = difference({
    "same": found("file"),
    "size": found("file", { bytes: 2 }),
    "time": found("file", { mtime: 11 }),
    "mode": found("file", { mode: 0o755 }),
    "new": found("file", { bytes: 5 }),
    "link": found("link", { target: "a" }),
    "samelink": found("link", { target: "a", mtime: 99 }),
    "dir": found("folder"),
    "dir/new": found("file"),
  }, {
    "same": found("file"),
    "size": found("file"),
    "time": found("file"),
    "mode": found("file"),
    "link": found("link", { target: "b" }),
    "samelink": found("link", { target: "a" }),
    "dir": found("folder"),
    "gone": found("file"),
  });
  expect({ files, links, folders, removed, removedFolders, same, bytes }).toEqual({
    files: ["dir/new", "mode", "new", "size", "time"],
    links: ["link"],
    folders: ["dir"],
    removed: ["link"],
    removedFolders: [],
    same: 1,
    bytes: 10,
  });
});

test("what is deleted goes from below, and what is protected keeps its folders", () => {
  const there = {
    "a": found("folder"),
    "a/b": found("folder"),
    "a/b/c": found("file"),
    "k": found("folder"),
    "k/kept.o": found("file"),
    "k/gone": found("file"),
  };
  expect(difference({}, there)).toMatchObject({ removed: [], removedFolders: [] });
  expect(difference({}, there, true)).toMatchObject({ removed: ["k/gone", "a/b/c"], removedFolders: ["a/b", "a"] });
});

test("the rules that count are the deepest, then what is outside, then that of .git", () => {
  const book = new RuleBook({ exclude: ["*.big"], outer: [] });
  book.add(".", ["*.log\n!.git\n", "!keep.log\n"]);
  book.add("a", ["!*.log\n"]);
  expect(book.leavesOut("x.log", false)).toBe(true);
  expect(book.leavesOut("keep.log", false)).toBe(false);
  expect(book.leavesOut("a/x.log", false)).toBe(false);
  expect(book.leavesOut("a/b/x.log", false)).toBe(false);
  expect(book.leavesOut("a/b/x.big", false)).toBe(true);
  expect(book.leavesOut(".git", true)).toBe(false);
  expect(new RuleBook({ exclude: [] }).leavesOut("sub/.git", true)).toBe(true);
});

function read(text: string) {
  const reader = new ListingReader();
  // In the worst pieces there are.
  for (const byte of Buffer.from(text, "latin1")) reader.push(Buffer.of(byte));
  return reader.end();
}

test("a listing is read whatever stands before it, with any names", () => {
  const gnu =
    "Welcome\n\x1b[1mgpu-list-1 gnu tar xargs\0f 644 5 1600000000.5 a\nb \0\0l 777 1 1 l\0to \n\0d 755 1 1 d\0\0p 644 0 1 d/pipe\0\0";
  expect(read(gnu)).toEqual({
    kind: "gnu",
    tools: new Set(["tar", "xargs"]),
    odd: ["d/pipe"],
    listing: new Map<string, Found>([
      ["a\nb ", { kind: "file", bytes: 5, mode: 0o644, mtime: 1_600_000_000 }],
      ["d", { kind: "folder", bytes: 1, mode: 0o755, mtime: 1 }],
      ["l", { kind: "link", bytes: 1, mode: 0o777, mtime: 1, target: "to \n" }],
    ]),
  });
  const stat = "gpu-list-1 stat tar\0" + "41ed:1:1\n81a4:5:7\na1ff:1:1\0.\0./x\n1\0./l\0" + "81a4:6:7\0./y\0" +
    "\0./l\0to\n\nx\0";
  expect([...read(stat)?.listing.entries() ?? []]).toEqual([
    ["l", { kind: "link", bytes: 1, mode: 0o777, mtime: 1, target: "to\n" }],
    ["x\n1", { kind: "file", bytes: 5, mode: 0o644, mtime: 7 }],
    ["y", { kind: "file", bytes: 6, mode: 0o644, mtime: 7 }],
  ]);
  expect(read("This account is not available.\n")).toBeUndefined();
});

test.each([
  ["../escape"],
  ["a/../../escape"],
  ["/etc/passwd"],
  ["a//b"],
  ["./a"],
  ["link/in it"],
])("a listing with `%s` is not believed", (name) => {
  const listing = `gpu-list-1 gnu tar\0l 777 1 1 link\0/etc\0d 755 1 1 a\0\0f 644 1 1 ${name}\0\0`;
  expect(() => read(listing)).toThrow("list of files cannot be read");
});

test("of an archive only what was asked for is written, and nothing through a link", async () => {
  const root = mkdtempSync(join(tmpdir(), "gpu-unpack-"));
  try {
    const file = (path: string, content: string) =>
      Buffer.concat([
        tarHeader(path, found("file", { bytes: content.length })),
        Buffer.from(content),
        Buffer.alloc(tarPadding(content.length)),
      ]);
    symlinkSync("/nowhere/at/all", join(root, "wanted"));
    const archive = Buffer.concat([
      file("../escape", "x"),
      file("/tmp/escape", "x"),
      file("unwanted", "x"),
      tarHeader("wanted/sub", found("link", { target: "/etc" })),
      file("./wanted", "mine"),
      file("wanted", "again"),
      tarEnd,
      file("second archive", "y".repeat(1000)),
      tarEnd,
    ]);
    const wanted = ["wanted", "second archive", "never comes"];
    const left = await unpack(
      readTar((async function* () {
        for (let at = 0; at < archive.length; at += 700) yield archive.subarray(at, at + 700);
      })()),
      {
        ...{
          world: { random: (count: number) => new Uint8Array(count) },
          root,
          wanted: new Set(wanted),
          onBytes() {},
          onFile() {},
        },
        listing: new Map(wanted.map((path) => [path, found("file")])),
      },
    );
    expect(left).toEqual([{ path: "never comes", message: "cannot read `never comes` there" }]);
    expect(readdirSync(root).toSorted()).toEqual(["second archive", "wanted"]);
    expect(readFileSync(join(root, "wanted"), "utf8")).toBe("mine");
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test("a broken archive is an error and not a short file", async () => {
  const whole = Buffer.concat([tarHeader("a", found("file", { bytes: 2000 })), Buffer.alloc(2048)]);
  const entries = async (bytes: Buffer) => {
    for await (
      const { content } of readTar((async function* () {
        yield bytes;
      })())
    ) for await (const _ of content());
  };
  await entries(whole);
  await expect(entries(whole.subarray(0, 1500))).rejects.toThrow("ends too early");
  const damaged = Buffer.from(whole);
  damaged[3] = 7;
  await expect(entries(damaged)).rejects.toThrow("cannot be read");
});

test("progress says how much, how fast, and how long it will take", () => {
  const said: string[] = [];
  let now = 0;
  const clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
  const gauge = new Gauge({ files: 3, bytes: 100 * 2 ** 20 }, clock, (text) => said.push(text));
  gauge.addBytes(0);
  gauge.skipBytes(50 * 2 ** 20);
  now = 1000;
  gauge.addBytes(10 * 2 ** 20);
  now = 1050;
  gauge.addBytes(1);
  now = 2000;
  gauge.addFile();
  expect(said).toEqual([
    "0 of 3 files, 0 B of 100 MiB",
    "0 of 3 files, 60 MiB of 100 MiB, 10 MiB/s, 4 s left",
    "1 of 3 files, 60 MiB of 100 MiB, 5.0 MiB/s, 8 s left",
  ]);
  expect([0, 1023, 1536, 2 ** 30].map(bytesText)).toEqual(["0 B", "1023 B", "1.5 KiB", "1.0 GiB"]);
});

test("a folder here that cannot be written to is an error of that folder, not a bug", async () => {
  const none = (async function* () {})();
  const unpacking = { world: { random: (count: number) => new Uint8Array(count) }, onBytes() {}, onFile() {} };
  const error = await unpack(readTar(none), {
    ...unpacking,
    ...{ root: "/dev/null/absent", wanted: new Set<string>(), listing: new Map() },
  }).catch((error) => error);
  expect(error).toBeInstanceOf(GpuError);
  expect(error.message).toContain("cannot write below `/dev/null/absent`: a part of the path is not a folder");
});
