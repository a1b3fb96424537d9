import type { Globals } from "../command.ts";
import type { RunRequest } from "./start.ts";

/** The words of a command line that runs the same again in a process of its own. */
export function requestWords(
  { request, globals }: { request: RunRequest; globals: Globals },
): string[] {
  const valued = (flag: string, value: string | number | undefined) => value === undefined ? [] : [flag, String(value)];
  return [
    "run",
    ...(globals.yes ? ["--yes"] : []),
    ...(globals.json ? ["--json"] : []),
    ...(globals.quiet ? ["--quiet"] : []),
    ...(globals.verbose ? ["--verbose"] : []),
    ...(globals.color ? [] : ["--no-color"]),
    ...valued("--provider", globals.provider),
    ...valued("--profile", globals.profile),
    ...(request.check ? [] : ["--no-check"]),
    ...(request.dryRun ? ["--dry-run"] : []),
    ...valued("--budget", request.budget),
    ...valued("--resume", request.resume),
    ...(request.keepOnFailure === undefined ? [] : [`--keep-on-failure=${request.keepOnFailure}`]),
    ...valued("--log-file", request.logFile),
    ...valued("--emulate", request.emulate),
    ...request.faults.flatMap((faults) => ["--faults", faults]),
    ...valued("--chaos", request.chaos),
    ...valued("--seed", request.seed),
    ...valued("--as-run", request.asRun),
    request.file,
    ...request.args,
  ];
}
