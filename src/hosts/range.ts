import { UsageError } from "../errors.ts";
import { oneLine } from "../safe-text.ts";

/** More than this at once is a slip of the finger: `node[1-1000000]`. */
const most = 100_000;

/**
 * The names that a pattern stands for: `node[01-32].lab`, `node[1,3-5]`, `rack[1-2]-node[1-4]`. Zeros in front are
 * kept. Brackets around an IPv6 address are left as they are.
 */
export function expandRange(pattern: string, place: string): string[] {
  const parts = pattern.split(/(\[[^\[\]]*\])/).map((part) =>
    part.startsWith("[") ? alternatives(part, pattern, place) : [part]
  );
  const count = parts.reduce((product, { length }) => product * length, 1);
  if (count > most) {
    throw new UsageError(`\`${oneLine(pattern, 100)}\` stands for ${count} hosts (${place}), and ${most} are the most`);
  }
  return parts.reduce((names, part) => names.flatMap((name) => part.map((one) => name + one)), [""]);
}

/** Whether it stands for something else than itself. */
export function isRange(pattern: string): boolean {
  return /\[[0-9]+([,-][0-9]+)*\]/.test(pattern.replaceAll(" ", ""));
}

function alternatives(bracket: string, pattern: string, place: string): string[] {
  const inside = bracket.slice(1, -1);
  if (inside.includes(":")) return [bracket];
  return inside.split(",").flatMap((item) => {
    const [, first, last = first] = /^\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*$/.exec(item) ?? [];
    if (first === undefined || last === undefined || Number(first) > Number(last)) {
      throw new UsageError(
        `\`${oneLine(pattern, 100)}\` is not a range of hosts (${place}): \`${oneLine(bracket, 60)}\``,
        {
          hint: "a range is written `node[01-32].lab` or `node[1,3-5]`",
        },
      );
    }
    const length = Number(last) - Number(first) + 1;
    if (length > most) throw new UsageError(`\`${oneLine(pattern, 100)}\` stands for too many hosts (${place})`);
    // `[08-10]` is 08, 09, 10; `[8-10]` is 8, 9, 10.
    return Array.from({ length }, (_, index) => String(Number(first) + index).padStart(first.length, "0"));
  });
}
