import { z } from "zod";
import type { Param, ParamType } from "./param.ts";

/** What a parameter says of itself beside its type, through `.meta({...})`. */
declare module "zod" {
  interface GlobalMeta {
    /** One letter: `-H`. */
    short?: string;
    /** Other long names that people know it by. */
    aliases?: string[];
    /** Given by its place instead of a flag. */
    positional?: boolean;
    /** Everything behind `--`. */
    rest?: boolean;
    /** Everything behind the last positional, flags too: what is run has flags of its own. */
    passThrough?: boolean;
    /** Environment variable that is read when the flag is not given. */
    env?: string;
    /** The value where the flag is given without one: `--retry-until-up [6h]`. */
    implied?: string;
    /** What Tab offers: `instance`, `offer`, `file`, `folder`, …; several with `|` between them. */
    complete?: string;
    /** Word for the value in help: `--hours <hours>`. */
    placeholder?: string;
    /** Not in help: an old name, or for programs only. */
    hidden?: boolean;
    /** Of a recipe: shown as stars in all that is printed, and in the log of the run. */
    secret?: boolean;
  }
}

/** A value that may be null is, on a command line, one that may be left out. */
const Type = z.union([z.string(), z.array(z.string())]).optional()
  .transform((type) => (Array.isArray(type) ? type.find((one) => one !== "null") : type));

const Property = z.object({
  type: Type,
  enum: z.array(z.string()).optional(),
  items: z.object({ type: Type, enum: z.array(z.string()).optional() }).optional(),
  default: z.unknown().optional(),
  description: z.string().default(""),
  short: z.string().optional(),
  aliases: z.array(z.string()).default([]),
  positional: z.boolean().default(false),
  rest: z.boolean().default(false),
  passThrough: z.boolean().default(false),
  hidden: z.boolean().default(false),
  env: z.string().optional(),
  implied: z.string().optional(),
  complete: z.string().optional(),
  placeholder: z.string().optional(),
});

const Root = z.object({
  properties: z.record(z.string(), Property).default({}),
  required: z.array(z.string()).default([]),
});

/** Read once: a process that runs many command lines asks for the same ones again. */
const known = new WeakMap<z.ZodObject, readonly Param[]>();

/** The parameters of an input, in the order they were written. The only reader of schemas. */
export function readParams(input: z.ZodObject): readonly Param[] {
  const params = known.get(input) ?? readSchema(input);
  known.set(input, params);
  return params;
}

function readSchema(input: z.ZodObject): Param[] {
  const schema = z.toJSONSchema(input, { io: "input", unrepresentable: "any" });
  // To compile the parser takes longer than the one time that it is used.
  const { properties, required } = Root.parse(schema, { jitless: true });
  return Object.entries(properties).map(([key, property]) => {
    const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return {
      key,
      flag,
      short: property.short,
      aliases: property.aliases,
      type: paramType(key, property),
      choices: property.enum ?? property.items?.enum ?? [],
      place: property.rest
        ? "rest"
        : property.passThrough
        ? "passThrough"
        : property.positional
        ? "positional"
        : "flag",
      isRequired: required.includes(key),
      isHidden: property.hidden,
      default: property.default,
      implied: property.implied,
      description: property.description,
      env: property.env,
      complete: property.complete,
      placeholder: property.placeholder ?? placeholderOf(flag, property.items !== undefined),
    };
  });
}

function paramType(key: string, { type, items }: z.infer<typeof Property>): ParamType {
  if (type === "string" || type === "boolean") return type;
  if (type === "number" || type === "integer") return "number";
  if (type === "array" && items?.type === "string") return "strings";
  if (type === "array" && (items?.type === "number" || items?.type === "integer")) return "numbers";
  throw new TypeError(`parameter \`${key}\`: a command line cannot give a value of type ${type ?? "unknown"}`);
}

function placeholderOf(flag: string, isList: boolean): string {
  const word = flag.split("-").at(-1) ?? flag;
  return isList && word.endsWith("s") ? word.slice(0, -1) : word;
}
