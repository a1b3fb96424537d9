import { z } from "zod";
import type { Command } from "../command.ts";
import { memberName } from "./api.ts";
import { exampleCode } from "./example-code.ts";
import { groupSummaries } from "./overview.ts";
import { docComment, schemaText } from "./schema-text.ts";

export interface TypesOptions {
  /** Names of the handle types by command. */
  readonly handleTypes: Readonly<Record<string, string>>;
  /** How the generated file imports them: name of a type → module. */
  readonly imports: Readonly<Record<string, string>>;
  /** Said in the first line. */
  readonly header: string;
}

/** The TypeScript text of `interface Gpu`: a documented function for each command, its input and its output. */
export function generateTypes(commands: readonly Command[], options: TypesOptions): string {
  const shared = new Map<string, string>();
  const sections = commands.map((command) => describe(command, shared, options));
  const used = new Set(["CallOptions", ...sections.flatMap(({ handle }) => handle ?? [])]);
  return [
    `// ${options.header}`,
    ...importLines(used, options.imports),
    "",
    "/** Every command as a function, by its words. */",
    `export interface Gpu ${membersText(treeOf(sections), "")}`,
    "",
    "/** A stream that can be iterated without `await`. */",
    "export type Stream<T> = Promise<AsyncIterable<T>> & AsyncIterable<T>;",
    "",
    ...sections.flatMap(({ interfaces }) => interfaces),
    ...shared.values(),
  ].join("\n");
}

interface Section {
  readonly command: Command;
  readonly words: readonly string[];
  readonly interfaces: readonly string[];
  readonly signature: string;
  readonly handle: string | undefined;
}

function describe(command: Command, shared: Map<string, string>, { handleTypes }: TypesOptions): Section {
  const words = command.name.split(" ").map(memberName);
  const stem = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  const input = inputText(command, `${stem}Input`);
  const output = outputText(command, `${stem}Output`, shared);
  const handle = handleOf(command, handleTypes);
  const isStream = command.kind === "stream" && !command.isReadWhole;
  const hasOptions = !(isStream || command.effect === "spend");
  const parameters = [
    ...(input.text === "" ? ["input?: Record<never, never>"] : [`input${input.isRequired ? "" : "?"}: ${stem}Input`]),
    `options?: ${hasOptions ? "CallOptions" : 'Omit<CallOptions, "retry">'}`,
  ];
  return {
    command,
    words,
    handle,
    interfaces: [input.text, output.declaration].filter((text) => text !== ""),
    signature: `(${parameters.join(", ")}): ${resultText(command, output.name, handle)}`,
  };
}

function resultText(command: Command, output: string, handle: string | undefined): string {
  if (command.kind === "stream") return handle ? `Promise<${handle}>` : `Stream<${output}>`;
  if (handle === undefined) return `Promise<${output}>`;
  return `Promise<Omit<${output}, keyof ${handle}> & ${handle}>`;
}

function handleOf(command: Command, handleTypes: TypesOptions["handleTypes"]): string | undefined {
  if (!command.handle) return undefined;
  const name = handleTypes[command.name];
  if (name === undefined) {
    throw new TypeError(`\`${command.name}\` has a handle, and \`handleTypes\` does not say which type it is`);
  }
  return name;
}

function inputText(command: Command, name: string): { text: string; isRequired: boolean } {
  const { text, isEmpty, isRequired } = schemaText(
    z.toJSONSchema(command.input, { io: "input", unrepresentable: "any" }),
    new Map(),
  );
  if (isEmpty) return { text: "", isRequired: false };
  return { text: `/** What \`${functionName(command)}\` takes. */\nexport interface ${name} ${text}\n`, isRequired };
}

/** A named type of its own, unless the schema has an `id`: then the type has that name wherever it is used. */
function outputText(
  command: Command,
  name: string,
  shared: Map<string, string>,
): { name: string; declaration: string } {
  const { text, isName } = schemaText(z.toJSONSchema(command.output, { unrepresentable: "any" }), shared);
  if (isName) return { name: text, declaration: "" };
  const what = command.kind === "stream" ? "One item of what" : "What";
  return {
    name,
    declaration: `/** ${what} \`${functionName(command)}\` returns. */\nexport type ${name} = ${text};\n`,
  };
}

function functionName(command: Command): string {
  return ["gpu", ...command.name.split(" ").map(memberName)].join(".");
}

interface Node {
  /** The words that lead here, as on the command line. */
  readonly name: string;
  section?: Section;
  readonly children: Map<string, Node>;
}

function treeOf(sections: readonly Section[]): Node {
  const root: Node = { name: "", children: new Map() };
  for (const section of sections) {
    let node = root;
    const name = section.command.name.split(" ");
    for (const [index, word] of section.words.entries()) {
      const next = node.children.get(word) ?? { name: name.slice(0, index + 1).join(" "), children: new Map() };
      node.children.set(word, next);
      node = next;
    }
    node.section = section;
  }
  return root;
}

function membersText({ children }: Node, indent: string): string {
  const inner = `${indent}  `;
  const members = [...children].map(([name, node]) => {
    // Without quotes it would be a constructor.
    const word = name === "new" ? `"new"` : name;
    if (node.children.size === 0 && node.section) {
      return `${docOf(node.section, inner)}${inner}${word}${node.section.signature};`;
    }
    const own = node.section ? `(${node.section.signature.replace("): ", ") => ")}) & ` : "";
    const group = docComment(`${groupSummaries[node.name] ?? `The commands of \`gpu ${node.name}\``}.`, inner);
    return `${node.section ? docOf(node.section, inner) : group}${inner}readonly ${word}: ${own}${
      membersText(node, inner)
    };`;
  });
  return `{\n${members.join("\n")}\n${indent}}`;
}

function docOf({ command, handle }: Section, indent: string): string {
  const examples = exampleCode(command, handle);
  const paragraphs = [
    `${command.summary}.${command.effect === "spend" ? " It spends: the recipe's budget has to cover it." : ""}`,
    command.description,
    `On the command line: \`gpu ${command.name}\`.`,
    ...examples.map((code) => `@example\n\`\`\`ts\n${code}\n\`\`\``),
  ].filter((text) => text !== undefined);
  return docComment(paragraphs.join("\n\n"), indent);
}

function importLines(used: ReadonlySet<string>, imports: TypesOptions["imports"]): string[] {
  const modules = new Map<string, string[]>();
  for (const name of [...used].toSorted()) {
    const module = imports[name];
    if (module === undefined) throw new TypeError(`nobody said where the type \`${name}\` comes from`);
    modules.set(module, [...(modules.get(module) ?? []), name]);
  }
  return [...modules].toSorted(([a], [b]) => a < b ? -1 : 1).map(([module, names]) =>
    `import type { ${names.join(", ")} } from "${module}";`
  );
}
