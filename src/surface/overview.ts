import { columns, flagRows, wrap } from "./columns.ts";
import { wordsBelow } from "./find.ts";
import { globalParams } from "./globals.ts";

interface Listed {
  readonly name: string;
  readonly summary: string;
}

/** What each group of commands is about, for the overview. */
export const groupSummaries: Readonly<Record<string, string>> = {
  ci: "Submit tests and follow them",
  "ci key": "Keep the keys of a CI server on this computer",
  "ci submit": "Submit work to a CI server",
  "ci user": "Keep the users of a CI server on this computer",
  config: "Read and change the configuration",
  emulate: "Serve a cloud's wire API on this computer",
  filesystem: "Keep filesystems that outlive instances",
  instance: "Rent, list and change instances",
  job: "Follow and stop what goes on by itself on machines",
  models: "Know what a model needs",
  recipe: "Write, check, test and find recipes",
  runs: "Look at runs of recipes, follow and cancel them",
  secret: "Keep secrets for recipes",
  "ssh-key": "Keep public keys at a provider",
  tunnel: "Forward ports to an instance",
};

/** Help for `gpu` itself, or for a group of commands. */
export function groupHelp(
  entries: readonly Listed[],
  path: readonly string[],
  { width }: { width: number },
): string {
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
    ...columns(rows.map(([name, summary]) => [`  gpu ${name}`, summary]), { page: width }),
    "",
    ...(path.length === 0 ? [...startHere(), "", "Flags of every command:", ...flagRows(globalParams, width), ""] : []),
    ...wrap(
      `\`gpu <command> --help\` shows a command with its flags and examples${
        path.length === 0
          ? ", `gpu help recipes` what recipes are, `gpu help hosts` how machines of your own get names, `gpu help --man` a man page"
          : path[0] === "recipe"
          ? ", `gpu help recipes` what recipes are"
          : path[0] === "config"
          ? ", `gpu help hosts` how machines of your own get names"
          : ""
      }.`,
      width,
    ),
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
