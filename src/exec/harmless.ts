import { isUtf8 } from "node:buffer";
import { safeText } from "../safe-text.ts";

const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

/** As in `safeText`, for bytes read as Latin-1: a byte from 0x80 on is a part of something else, but 0xc2 before a C1 control. */
const byteSequences =
  /\x1b\[[0-9;:]*m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]/g;

/** Of those above, what never begins or ends anything: all of a run of them goes at once. */
const plainControls = /[\x00-\x06\x08\x0b-\x1a\x1c-\x1f\x7f]+/g;

const color = /^\x1b\[[0-9;:]*m$/;
const noColor = "\x1b[0m";

/**
 * Lines of a remote, made harmless for a terminal, each behind a prefix. What is not UTF-8 keeps its bytes, unless it
 * goes to a terminal. `isContinued`: the first line has its prefix already.
 */
export function prefixedLines(
  bytes: Buffer,
  { prefix, isTTY, isContinued = false }: { prefix: string; isTTY: boolean; isContinued?: boolean },
): string | Buffer {
  if (bytes.length === 0) return "";
  const isText = isTTY || isUtf8(bytes);
  const text = bytes.toString(isText ? "utf8" : "latin1");
  const start = isText ? prefix : Buffer.from(prefix).toString("latin1");
  const end = text.endsWith("\n") ? "\n" : "";
  const body = end === "" ? text : text.slice(0, -1);
  // Most output has nothing in it that needs care.
  const safe = !controls.test(body)
    ? body.replaceAll("\n", `\n${start}`)
    : body.split("\n").map((line) => safeLine(line, isText)).join(`\n${start}`);
  const lines = `${isContinued ? "" : start}${safe}${end}`;
  return isText ? lines : Buffer.from(lines, "latin1");
}

function safeLine(line: string, isText: boolean): string {
  const plain = line.replace(plainControls, "");
  if (!controls.test(plain)) return plain;
  return settled(isText ? safeText(plain) : plain.replace(byteSequences, (found) => color.test(found) ? found : ""));
}

/** The colour that a line leaves on would be the next machine's. */
function settled(line: string): string {
  return line.includes("\x1b[") && !/\x1b\[0*m$/.test(line) ? line + noColor : line;
}
