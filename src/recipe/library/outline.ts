import * as z from "../zod.ts";
import { type Expression, readOutline } from "./expression.ts";
import { follow, inputOf, isNamed } from "./input.ts";

/** What a recipe says of itself, read from its source: nothing of it is run. */
export interface RecipeOutline {
  /** `function`: its default export is one. `script`: it exports nothing. */
  readonly kind: "recipe" | "function" | "script";
  readonly summary: string | undefined;
  readonly description: string | undefined;
  /** US dollars. */
  readonly budget: number | undefined;
  readonly input: z.ZodObject;
  /** All of the above is as running it would say. Where it is not, something in it is computed. */
  readonly isWhole: boolean;
}

type Loader = "ts" | "tsx" | "js" | "jsx";

/** Reads what a file would be as a recipe; undefined where it does not parse or has nothing to do with `gpu`. */
export function outlineOf(source: string, loader: Loader = "ts"): RecipeOutline | undefined {
  try {
    return read(source, loader);
  } catch {
    return undefined; // Brackets in brackets without end are no recipe.
  }
}

function read(source: string, loader: Loader): RecipeOutline | undefined {
  const scanned = scan(source, loader);
  if (scanned === undefined || !scanned.imports.includes("gpu")) return undefined;
  if (scanned.exports.length === 0) return { ...nothing, kind: "script" };
  if (!scanned.exports.includes("default")) return undefined;
  const outline = readOutline(scanned.code);
  const exported = follow(outline.exported, outline);
  const [definition] = exported?.kind === "call" && isNamed(exported.of, "recipe") ? exported.args : [];
  const object = follow(definition, outline);
  if (object?.kind !== "object") {
    const isRecipe = exported?.kind === "call" && isNamed(exported.of, "recipe");
    return { ...nothing, kind: isRecipe ? "recipe" : "function", isWhole: false };
  }
  const read = (field: string) => follow(object.fields.get(field), outline);
  const [summary, description, budget, input] = ["summary", "description", "budget", "input"].map(read);
  const shape = input === undefined ? { schema: z.object({}), isWhole: true } : inputOf(input, outline);
  const said = [[summary, "string"], [description, "string"], [budget, "number"]] as const;
  return {
    kind: "recipe",
    summary: literal(summary, "string"),
    description: literal(description, "string"),
    budget: literal(budget, "number"),
    input: shape.schema,
    isWhole: object.isWhole && shape.isWhole &&
      said.every(([expression, type]) =>
        expression === undefined || expression.kind === "literal" && typeof expression.value === type
      ),
  };
}

const nothing = {
  summary: undefined,
  description: undefined,
  budget: undefined,
  input: z.object({}),
  isWhole: true,
};

function scan(source: string, loader: Loader): { code: string; imports: string[]; exports: string[] } | undefined {
  try {
    const transpiler = new Bun.Transpiler({ loader });
    const { imports, exports } = transpiler.scan(source);
    return { code: transpiler.transformSync(source), imports: imports.map(({ path }) => path), exports };
  } catch {
    return undefined;
  }
}

function literal(expression: Expression | undefined, type: "string"): string | undefined;
function literal(expression: Expression | undefined, type: "number"): number | undefined;
function literal(expression: Expression | undefined, type: string): string | number | undefined {
  if (expression?.kind !== "literal") return undefined;
  const { value } = expression;
  return (typeof value === "string" || typeof value === "number") && typeof value === type ? value : undefined;
}
