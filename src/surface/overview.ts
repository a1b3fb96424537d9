import { columns, flagRows } from "./columns.ts";
import { wordsBelow } from "./find.ts";
import { globalParams } from "./globals.ts";

interface Listed {
  readonly name: string;
  readonly summary: string;
}

/** What each group of commands is about, for the overview. */
const groupSummaries: Readonly<Record<string, string>> = {
  ci: "Submit tests and follow them",
  "ci submit": "Submit work to a CI server",
  config: "Read and change the configuration",
  emulate: "Serve a cloud's wire API on this computer",
  filesystem: "Keep filesystems that outlive instances",
  instance: "Rent, list and change instances",
  models: "Know what a model needs",
  recipe: "Write and check recipes",
  "ssh-key": "Keep public keys at a provider",
  tunnel: "Forward ports to an instance",
};

/** Help for `gpu` itself, or for a group of commands. */
export function groupHelp(entries: readonly Listed[], path: readonly string[]): string {
  const rows = wordsBelow(entries, path).map((word): [string, string] => {
    const name = [...path, word].join(" ");
    const below = wordsBelow(entries, [...path, word]);
    const own = entries.find((entry) => entry.name === name)?.summary;
    return [name, own ?? `${groupSummaries[name] ?? "Commands"}: ${below.join(", ")}`];
  });
  const called = ["gpu", ...path].join(" ");
  const heading = path.length === 0
    ? "gpu rents a GPU, runs work on it, and makes sure it is given back."
    : `${groupSummaries[path.join(" ")] ?? called}.`;
  return [
    heading,
    "",
    `Usage: ${called} <command> [flags]`,
    "",
    "Commands:",
    ...columns(rows.map(([name, summary]) => [`  gpu ${name}`, summary])),
    "",
    ...(path.length === 0 ? [...startHere(), "", "Flags of every command:", ...flagRows(globalParams), ""] : []),
    `\`gpu <command> --help\` shows a command with its flags and examples.`,
  ].join("\n");
}

function startHere(): string[] {
  return [
    "Start here:",
    ...columns([
      ["  gpu start", "# a machine on this computer, for $0, until a provider is configured"],
      ["  gpu exec -- uname -a", "# run something on it"],
      ["  gpu stop", "# give it back"],
      ["  gpu run recipe.ts", "# all of that, as a script"],
    ]),
  ];
}
