import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { messageOf } from "../../errors.ts";
import type { TestCounts } from "../job.ts";
import { countJUnit, ReportError } from "./junit.ts";
import { findProjectFiles, type ProjectFile } from "./project-files.ts";
import { TapCounter } from "./tap.ts";

/** What was counted in a job's reports, and what could not be. */
export interface Results {
  readonly counts: TestCounts | undefined;
  /** For the job's log. */
  readonly problems: readonly string[];
}

const maxReportBytes = 32 * 2 ** 20;
const maxReports = 2_000;

/** Counts the JUnit or TAP reports that match a pattern; many are added up. */
export function readResults(root: string, pattern: string): Results {
  const files = findProjectFiles(root, [pattern]).slice(0, maxReports);
  if (files.length === 0) return { counts: undefined, problems: [`the tests wrote no \`${pattern}\``] };
  const problems: string[] = [];
  let counts: TestCounts | undefined;
  for (const file of files) {
    try {
      counts = sum(counts, countReport(textOf(file)));
    } catch (error) {
      problems.push(`the report ${JSON.stringify(file.name)} ${messageOf(error)}`);
    }
  }
  return { counts, problems };
}

function countReport(text: string): TestCounts {
  if (/^(\xef\xbb\xbf)?\s*</.test(text)) return countJUnit(text);
  const tap = new TapCounter({ needsVersion: false });
  tap.write(text);
  const counts = tap.end();
  if (counts === undefined) throw new ReportError("is neither JUnit nor TAP");
  return counts;
}

/** As one character a byte: what is counted is ASCII. */
function textOf({ path, bytes }: ProjectFile): string {
  if (bytes > maxReportBytes) throw new ReportError(`is larger than ${maxReportBytes / 2 ** 20} MiB`);
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  try {
    if (!fstatSync(descriptor).isFile()) throw new ReportError("is not a file");
    return readFileSync(descriptor, "latin1");
  } finally {
    closeSync(descriptor);
  }
}

function sum(first: TestCounts | undefined, second: TestCounts): TestCounts {
  if (first === undefined) return second;
  return {
    passed: first.passed + second.passed,
    failed: first.failed + second.failed,
    skipped: first.skipped + second.skipped,
  };
}
