import { z } from "zod";
import { defineCommand } from "../command.ts";
import { CheckResult } from "../doctor/check.ts";
import { exitCodes } from "../errors.ts";
import { wrap } from "../surface/columns.ts";

export default defineCommand({
  name: "doctor",
  summary: "Check the setup and say what to do about it",
  description:
    "Looks and changes nothing. All checks run side by side, each for at most 5 s. It ends with 1 when one of them fails.",
  effect: "read",
  takesNewProfile: true,
  examples: [
    { command: "gpu doctor", says: "everything" },
    { command: "gpu doctor key clock", says: "these only" },
  ],
  input: z.object({
    checks: z.array(z.string()).default([]).meta({
      positional: true,
      description: "names of checks; all of them when left out",
    }),
  }),
  output: z.array(CheckResult),
  async run({ checks: names }, context) {
    const { checks } = await import("../doctor/checks.ts");
    const { runChecks } = await import("../doctor/check.ts");
    const { UsageError } = await import("../errors.ts");
    const { didYouMean } = await import("../surface/suggest.ts");
    const known = checks.map(({ name }) => name);
    const unknown = names.find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new UsageError(`there is no check \`${unknown}\``, {
        hint: didYouMean(unknown, known, (word) => word) ?? `there are: ${known.join(", ")}`,
      });
    }
    context.progress("checking");
    return await runChecks(context, checks.filter(({ name }) => names.length === 0 || names.includes(name)));
  },
  exitCode: (results) => results.some(({ status }) => status === "fail") ? exitCodes.failed : exitCodes.done,
  view: (results, { isTTY, columns }) => {
    if (!isTTY) {
      return {
        columns: ["status", "check", "detail", "fix"],
        rows: results.map(({ status, check, detail, fix }) => [status, check, detail, fix ?? "-"]),
      };
    }
    const width = Math.max(...results.map(({ check }) => Math.min(24, check.length)));
    const indent = " ".repeat(width + 8);
    const room = Math.max(24, columns - indent.length);
    return results.flatMap(({ status, check, detail, fix }) => {
      const [first = "", ...others] = wrap(detail, room - Math.max(0, check.length - width));
      const [toDo = "", ...more] = fix === null ? [] : wrap(fix, room - 2);
      return [
        `${status.padEnd(4)}  ${check.padEnd(width)}  ${first}`,
        ...others.map((line) => indent + line),
        ...(fix === null ? [] : [`${indent}→ ${toDo}`, ...more.map((line) => `${indent}  ${line}`)]),
      ];
    });
  },
});
