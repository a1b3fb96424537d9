import { expect, test } from "bun:test";
import fc from "fast-check";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IgnoredBelow, parseRules } from "../../src/transfer/ignored.ts";
import { toBytes } from "../../src/transfer/names.ts";
import { testWith } from "../needs.ts";

type Case = Readonly<Record<string, string>>;

/** What git says of the names in each case, and what we say. One repository holds them all, so git starts once. */
function ask(cases: readonly Case[]) {
  const root = mkdtempSync(join(tmpdir(), "gpu-ignored-"));
  try {
    for (const [index, files] of cases.entries()) {
      for (const name of names.filter((name) => name.endsWith("/"))) {
        mkdirSync(join(root, `${index}`, name), { recursive: true });
      }
      for (const [name, content] of Object.entries(files)) writeFileSync(join(root, `${index}`, name), content);
    }
    const git = (args: string[], stdin = "") =>
      Bun.spawnSync(["git", "-c", "core.excludesFile=/dev/null", ...args], {
        cwd: root,
        stdin: Buffer.from(stdin),
        env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
      }).stdout.toString();
    git(["init", "-q"]);
    const asked = cases.flatMap((_, index) => names.map((name) => `${index}/${name.replace(/\/$/, "")}\0`)).join("");
    const said = git(["check-ignore", "--stdin", "-z", "--no-index"], asked).split("\0");
    return cases.map((files, index) => {
      const start = `${index}/`;
      const theirs = said.filter((name) => name.startsWith(start)).map((name) => name.slice(start.length));
      return { files, git: theirs.toSorted(), ours: ignoredBy(files) };
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function ignoredBy(files: Case): string[] {
  const rules = Object.entries(files)
    .toSorted(([a], [b]) => b.length - a.length)
    .map(([name, content]) => parseRules(toBytes(content), toBytes(name.slice(0, -".gitignore".length))));
  const below = new IgnoredBelow((folder) => rules.filter(({ base }) => base === "" || `${folder}/`.startsWith(base)));
  return names.filter((name) => below.has(toBytes(name.replace(/\/$/, "")), name.endsWith("/")))
    .map((name) => name.replace(/\/$/, "")).toSorted();
}

const names = [
  ...["a/", "a/b/", "a/b/c", "a/b/foo", "a/foo", "ab/", "ab/foo", "ab/a", "b/", "b/a/", "b/a/foo", "b/foo.o"],
  ...["foo", "foo.o", "foo bar", "foo ", "#foo", "!foo", "é", "aé", "a b", "[a]", "a]", "a\\b", "c", "-foo", "fo", "x"],
  ...["xfoo/", "xfoo/b/", "xfoo/b/foo", "A", "B/", "B/foo", "a*", "*"],
];

testWith("git")("the rules that people write are git's", () => {
  const rules = [
    ...[
      "*.o",
      "!foo.o",
      "/foo",
      "a/b",
      "**/foo",
      "a/**",
      "a/**/foo",
      "foo/",
      "\\#foo",
      "\\!foo",
      "foo\\ ",
      "foo ",
      "b/",
    ],
    ...[
      "xfoo**/foo",
      "[ab]",
      "[!ab]",
      "[^ab]",
      "[a-c]",
      "[]a]",
      "[[:upper:]]",
      "[[:nonsense:]]",
      "[a",
      "a\\",
      "?",
      "??",
    ],
    ...[
      "a\\*",
      "\\*",
      "**",
      "/**",
      "*/",
      "/*",
      "!*/",
      "a//b",
      "/",
      "!",
      "//",
      " ",
      "a\\\\b",
      "\\[a\\]",
      "é",
      "?é",
      "# x",
    ],
    ...["*foo", "f*o", "**foo", "a**", "a/*", "*/foo", "a/**/", "**/b/**", "[a-]", "[-a]", "[a-\\c]", "[\\]]", "***"],
  ];
  const cases = rules.flatMap((rule) =>
    [`${rule}\n`, rule, `${rule}\r\n`, `\ufeff${rule}\n`, `*\n!${rule}\n`, `${rule}\n!foo\n!*/\n`]
      .map((file) => ({ ".gitignore": file }))
  );
  for (const { files, git, ours } of ask(cases)) expect({ files, names: ours }).toEqual({ files, names: git });
});

testWith("git")("any rules in any folders are git's", () => {
  const piece = fc.constantFrom(
    "*",
    "**",
    "?",
    "/",
    "a",
    "b",
    "foo",
    ".o",
    "[ab]",
    "[!a]",
    "\\",
    "!",
    " ",
    "#",
    "[",
    "]",
    "é",
  );
  const rule = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(""));
  const file = fc.array(rule, { minLength: 1, maxLength: 4 }).map((rules) => rules.join("\n") + "\n");
  const files: fc.Arbitrary<Case> = fc.record({ ".gitignore": file, "a/.gitignore": file, "a/b/.gitignore": file }, {
    requiredKeys: [".gitignore"],
  });
  const cases = fc.sample(files, 150);
  for (const { files, git, ours } of ask(cases)) expect({ files, names: ours }).toEqual({ files, names: git });
});

test("a pattern made to take for ever does not", () => {
  const { patterns } = parseRules(`${"a*".repeat(20)}b\n${"**/a/".repeat(10)}b\n`, "");
  expect(patterns).toHaveLength(2);
  const below = new IgnoredBelow(() => [{ base: "", patterns }]);
  const startedAt = performance.now();
  expect(below.has("a".repeat(200), false)).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});
