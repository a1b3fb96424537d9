import type { TestCounts } from "../job.ts";

/** A report that cannot be counted; the message goes on after its name. */
export class ReportError extends Error {
  override name = "ReportError";
}

/**
 * Counts the test cases of a JUnit report (the `<testcase>` elements, not what its attributes claim). A report is
 * written by whoever wrote the tests: nothing in it is expanded or fetched, and one that declares entities is refused.
 */
export function countJUnit(text: string): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let open: keyof TestCounts | undefined;
  let isJUnit = false;
  for (const { name, kind, attributes } of elementsOf(text)) {
    if (!isJUnit && name !== "testsuites" && name !== "testsuite") {
      throw new ReportError(`is no JUnit report: it begins with <${name.slice(0, 40)}>`);
    }
    isJUnit = true;
    if (name === "testcase") {
      if (kind !== "close") open = isLeftOut(attributes) ? "skipped" : "passed";
      if (kind !== "open" && open !== undefined) counts[open]++;
      if (kind !== "open") open = undefined;
    } else if (open !== undefined && kind !== "close") {
      if (name === "failure" || name === "error") open = "failed";
      else if (name === "skipped" && open === "passed") open = "skipped";
    }
  }
  if (!isJUnit) throw new ReportError("holds no element");
  if (open !== undefined) throw new ReportError("is cut off");
  return counts;
}

/** GoogleTest says it in an attribute. */
function isLeftOut(attributes: string): boolean {
  return /\s(result\s*=\s*["'](skipped|suppressed)["']|status\s*=\s*["'](notrun|skipped|disabled)["'])/i.test(
    attributes,
  );
}

interface Element {
  /** Without its prefix. */
  readonly name: string;
  readonly kind: "open" | "close" | "empty";
  /** As they stand there, the first of them. */
  readonly attributes: string;
}

const shownAttributes = 2_000;

function* elementsOf(text: string): Generator<Element> {
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    const opaque = opaques.find(([start]) => text.startsWith(start, at));
    if (opaque) {
      at = endOf(text, opaque[1], at + opaque[0].length);
      continue;
    }
    if (text.startsWith("<!", at)) throw new ReportError("declares a document type, which is not read");
    name.lastIndex = at + 1;
    const found = name.exec(text);
    if (found === null) throw new ReportError("is not XML");
    const end = endOfTag(text, name.lastIndex);
    const kind = found[1] === "/" ? "close" : text[end - 2] === "/" ? "empty" : "open";
    const attributes = text.slice(name.lastIndex, Math.min(end, name.lastIndex + shownAttributes));
    yield { name: found[2] ?? "", kind, attributes };
    at = end;
  }
}

const opaques = [["<!--", "-->"], ["<![CDATA[", "]]>"], ["<?", "?>"]] as const;
const name = /(\/?)(?:[\w.-]{1,100}:)?([\w.-]{1,100})/y;

/** Behind the `>` of a tag; one in quotes is text. */
function endOfTag(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === ">") return at + 1;
    if (char === '"' || char === "'") at = endOf(text, char, at + 1) - 1;
  }
  throw new ReportError("is cut off");
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  if (at < 0) throw new ReportError("is cut off");
  return at + mark.length;
}
