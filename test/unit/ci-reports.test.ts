import { describe, expect, test } from "bun:test";
import { parseEnvFile } from "../../src/ci/env-file.ts";
import { countJUnit } from "../../src/ci/runner/junit.ts";
import { Masker } from "../../src/ci/runner/mask.ts";
import { TapCounter } from "../../src/ci/runner/tap.ts";

describe("JUnit", () => {
  const suite = (content: string) => `<?xml version="1.0"?>\n<testsuites>${content}</testsuites>`;

  test("is counted by its cases, not by what its attributes claim", () => {
    const cases = `<testsuite tests="900" failures="0">
      <testcase name="a>b" classname='c"/>'/><testcase><system-out><![CDATA[<failure/><testcase/>]]></system-out></testcase>
      <testcase><failure message="no"><!-- <testcase/> --></failure></testcase><testcase><error/></testcase>
      <testcase><skipped/></testcase><testcase status="notrun"/><ns:testcase><ns:failure/></ns:testcase></testsuite>`;
    expect(countJUnit(suite(cases))).toEqual({ passed: 2, failed: 3, skipped: 2 });
  });

  test.each([
    ["a document type", '<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "declares a document type"],
    ["another document", "<html><testcase/></html>", "is no JUnit report"],
    ["one that is cut off", "<testsuite><testcase><failure mess", "is cut off"],
    ["one that ends in a case", "<testsuite><testcase>", "is cut off"],
    ["nothing", "  ", "holds no element"],
    ["an odd tag", "<testsuite><\x00", "is not XML"],
  ])("refuses %s", (_case, text, why) => {
    expect(() => countJUnit(text)).toThrow(why);
  });

  test("of many elements takes no more than their length", () => {
    const deep = "<testsuite>".repeat(200_000);
    expect(countJUnit(deep)).toEqual({ passed: 0, failed: 0, skipped: 0 });
    expect(countJUnit(suite("<testcase/>".repeat(100_000))).passed).toBe(100_000);
    expect(() => countJUnit(`<testsuite ${"a='b' ".repeat(100_000)}`)).toThrow("cut off");
  });
});

describe("TAP", () => {
  const count = (text: string, needsVersion = false, pieceLength = 7) => {
    const counter = new TapCounter({ needsVersion });
    for (let at = 0; at < text.length; at += pieceLength) counter.write(text.slice(at, at + pieceLength));
    return counter.end();
  };

  test("is counted with its directives, what is to be done among them", () => {
    const text =
      "TAP version 13\n1..6\nok 1 - a\nnot ok 2 b\nok 3 # SKIP c\nnot ok 4 # TODO d\nok 5 # todo e\nok 6 \\# skip\n";
    expect(count(text)).toEqual({ passed: 3, failed: 1, skipped: 2 });
  });

  test("counts a subtest's own tests, and not the line that sums it up", () => {
    const text =
      "TAP version 14\n# Subtest: a\n    # Subtest: b\n        ok 1 - x\n        not ok 2 - y\n        1..2\n" +
      "    not ok 1 - b\n    ok 2 - z\n    1..2\nnot ok 1 - a\nok 2 - alone\n1..2\n";
    expect(count(text)).toEqual({ passed: 3, failed: 1, skipped: 0 });
  });

  test("that promises more than it holds has failed; so has one that bails out", () => {
    expect(count("1..4\nok 1\nok 2\n")).toEqual({ passed: 2, failed: 2, skipped: 0 });
    expect(count("1..1\nok 1\nBail out! no disk\n")).toEqual({ passed: 1, failed: 1, skipped: 0 });
    expect(count("1..0 # skip all\n")).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });

  test("in other text needs its first line", () => {
    expect(count("ok 1\n1..1\nall is ok\n", true)).toBeUndefined();
    expect(count("hello\n1..9\nTAP version 13\nok 1\n1..1\n", true)).toEqual({ passed: 1, failed: 0, skipped: 0 });
    expect(count("okay\nnothing\n")).toBeUndefined();
  });
});

describe("secrets in a log", () => {
  const masked = (secrets: readonly string[], ...pieces: readonly string[]) => {
    const masker = new Masker(secrets);
    return pieces.map((piece) => masker.write(piece)).join("|") + `|${masker.end()}`;
  };

  test("are found across pieces, and only what may begin one waits", () => {
    expect(masked(["hunter22"], "my hunt", "er22 and hun", "t")).toBe("my |*** and ||hunt");
    expect(masked(["hunter22"], "h", "u", "n", "t", "e", "r", "2", "2")).toBe("|||||||***|");
    expect(masked(["aaab"], "aaaaab a")).toBe("aa*** |a");
  });

  test("of which one begins another are both covered", () => {
    expect(masked(["secret", "secret-and-more"], "secret", "-and-more secret-and secret")).toBe("|*** ***-and |***");
  });

  test("with several lines are found line by line, and very short ones left alone", () => {
    expect(masked(["abc", "first line\nsecond line"], "abc first line\r\nsecond line\n")).toBe("abc ***\r\n***\n|");
  });
});

describe("a file of variables", () => {
  test("holds a variable a line, in quotes where it must", () => {
    const text =
      '# a\nexport A=1\nB = two words # not this\nC=\'$A \\n\'\nD="x\\n\\"y\\" \\$A"\nE=\nF="line\nline"\nG=a#b\r\n';
    expect(parseEnvFile(text, "a.env")).toEqual({
      A: "1",
      B: "two words",
      C: "$A \\n",
      D: 'x\n"y" $A',
      E: "",
      F: "line\nline",
      G: "a#b",
    });
  });

  test("that cannot be read says where, and never what stands there", () => {
    expect(() => parseEnvFile("A=1\nhunter22\n", "a.env")).toThrow("line 2 of `a.env` is not `NAME=value`");
    expect(() => parseEnvFile("A='open\n", "a.env")).toThrow("the quote of line 1");
    expect(() => parseEnvFile("GPU_MACHINE=x", "a.env")).toThrow("cannot be set for a job");
  });
});
