import { expect, test } from "bun:test";
import { z } from "zod";
import { commands } from "../../src/commands.ts";
import { type Command, defineCommand, defineStream } from "../../src/command.ts";
import { createApi } from "../../src/surface/api.ts";
import { handleTypes } from "../../src/recipe/handles.ts";
import { generateTypes } from "../../src/surface/types.ts";
import { apiText } from "../../scripts/types.ts";

const Machine = z.object({
  id: z.string().describe("its id; never `*/` in it"),
  state: z.enum(["up", "down"]),
  at: z.string().nullable(),
}).meta({ id: "Machine", description: "A machine." });

const start = defineCommand({
  name: "machine start",
  summary: "Rent one",
  effect: "spend",
  input: z.object({
    hours: z.number().default(4).describe("lease"),
    old: z.string().optional().meta({ hidden: true }),
    tags: z.array(z.enum(["x", "y"])).optional(),
  }),
  output: Machine,
  run: () => Promise.reject(new Error("not run here")),
  handle: () => ({}),
  view: () => undefined,
});
const follow = defineStream({
  name: "machine follow-log",
  summary: "Follow one",
  effect: "read",
  input: z.object({ id: z.string() }),
  output: z.discriminatedUnion("type", [
    z.object({ type: z.literal("a"), machines: z.array(Machine) }),
    z.object({ type: z.literal("b") }),
  ]),
  async *run() {},
  view: () => undefined,
});

function generate(definitions: readonly unknown[]): string {
  return generateTypes(definitions as Command[], {
    header: "Generated",
    handleTypes: { "machine start": "MachineHandle" },
    imports: { CallOptions: "./call.ts", MachineHandle: "./machine.ts" },
  });
}

test("a function for each command, by its words, with its handle", () => {
  const text = generate([start, follow]);
  expect(text).toContain("readonly machine: {");
  expect(text).toContain(
    `start(input?: MachineStartInput, options?: Omit<CallOptions, "retry">): Promise<Omit<Machine, keyof MachineHandle> & MachineHandle>;`,
  );
  expect(text).toContain(
    'followLog(input: MachineFollowLogInput, options?: Omit<CallOptions, "retry">): Stream<MachineFollowLogOutput>;',
  );
  expect(text).toContain(`   * Rent one. It spends: the recipe's budget has to cover it.`);
});

test("fields carry their descriptions and defaults, hidden ones are left out", () => {
  const text = generate([start]);
  expect(text).toContain("  /**\n   * lease\n   *\n   * Default: `4`.\n   */\n  hours?: number;");
  expect(text).toContain(`tags?: ("x" | "y")[];`);
  expect(text).not.toContain("old");
});

test("a schema with an id is one shared type", () => {
  const text = generate([start, follow]);
  expect(text.match(/export type Machine = /g)).toHaveLength(1);
  expect(text).toContain(
    `/** A machine. */\nexport type Machine = {\n  /** its id; never \`*\\/\` in it */\n  id: string;\n  state: "up" | "down";\n  at: string | null;\n};`,
  );
  expect(text).toContain(`machines: Machine[];`);
});

test("a handle whose type nobody named is an error", () => {
  expect(() => generateTypes([start as unknown as Command], { header: "", handleTypes: {}, imports: {} })).toThrow(
    "handleTypes",
  );
});

test("the functions at run time are those of the types", async () => {
  const definitions = await Promise.all(commands.map((entry) => entry.load()));
  const tree = createApi(commands, () => {
    throw new Error("no run");
  });
  for (const { name } of definitions) {
    const found = name.split(" ").reduce<unknown>(
      (node, word) => Reflect.get(Object(node), word.replace(/-./g, (two) => (two[1] ?? "").toUpperCase())),
      tree,
    );
    expect(found).toBeFunction();
  }
  for (const command of definitions.filter(({ handle }) => handle)) {
    expect(Object.keys(handleTypes)).toContain(command.name);
  }
  expect(await apiText()).toContain("export interface Gpu {");
});
