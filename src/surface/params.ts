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

/** Read once: a process that runs many command lines asks for the same ones again. */
const known = new WeakMap<z.ZodObject, readonly Param[]>();

/** The parameters of an input, in the order they were written. The only reader of schemas. */
export function readParams(input: z.ZodObject): readonly Param[] {
  const params = known.get(input) ?? readSchema(input);
  known.set(input, params);
  return params;
}

/** Reads the schema itself: its JSON Schema says the same, and takes longer than the rest of many a command. */
function readSchema(input: z.ZodObject): Param[] {
  return Object.entries(input.shape).map(([key, schema]) => {
    const layers = layersOf(schema);
    const core = layers.at(-1) ?? schema;
    const meta: z.GlobalMeta = Object.assign({}, ...layers.toReversed().map((layer) => z.globalRegistry.get(layer)));
    const type = typeOf(core);
    if (type === undefined) {
      throw new TypeError(`parameter \`${key}\`: a command line cannot give a value of type ${core._zod.def.type}`);
    }
    const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return {
      key,
      flag,
      short: meta.short,
      aliases: meta.aliases ?? [],
      type,
      choices: choicesOf(core),
      place: meta.rest ? "rest" : meta.passThrough ? "passThrough" : meta.positional ? "positional" : "flag",
      isRequired: schema._zod.optin === undefined,
      isHidden: meta.hidden ?? false,
      default: defaultOf(layers),
      implied: meta.implied,
      description: meta.description ?? "",
      env: meta.env,
      complete: meta.complete,
      placeholder: meta.placeholder ?? placeholderOf(flag, core instanceof z.core.$ZodArray),
    };
  });
}

/** A schema, and what it wraps, from the outside in: a value with a default that may be left out has three. */
function layersOf(schema: z.core.$ZodType): z.core.$ZodType[] {
  const inner = innerOf(schema);
  return inner === undefined ? [schema] : [schema, ...layersOf(inner)];
}

const wrappers = [
  z.core.$ZodOptional,
  z.core.$ZodDefault,
  z.core.$ZodPrefault,
  // A value that may be null is, on a command line, one that may be left out.
  z.core.$ZodNullable,
  z.core.$ZodNonOptional,
  z.core.$ZodReadonly,
  z.core.$ZodCatch,
];

function innerOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  for (const Wrapper of wrappers) if (schema instanceof Wrapper) return schema._zod.def.innerType;
  if (schema instanceof z.core.$ZodLazy) return schema._zod.innerType;
  if (!(schema instanceof z.core.$ZodPipe)) return undefined;
  // What is typed is what goes in, but where that is made fit first.
  const { in: first, out } = schema._zod.def;
  return first instanceof z.core.$ZodTransform ? out : first;
}

function typeOf(schema: z.core.$ZodType): ParamType | undefined {
  if (schema instanceof z.core.$ZodArray) {
    const item = typeOf(layersOf(schema._zod.def.element).at(-1) ?? schema);
    return item === "string" ? "strings" : item === "number" ? "numbers" : undefined;
  }
  if (schema instanceof z.core.$ZodString || schema instanceof z.core.$ZodTemplateLiteral) return "string";
  if (schema instanceof z.core.$ZodNumber) return "number";
  if (schema instanceof z.core.$ZodBoolean) return "boolean";
  return choicesOf(schema).length > 0 ? "string" : undefined;
}

/** Of a choice between texts, or of a list of such. */
function choicesOf(schema: z.core.$ZodType): string[] {
  if (schema instanceof z.core.$ZodArray) return choicesOf(layersOf(schema._zod.def.element).at(-1) ?? schema);
  const values: readonly unknown[] = schema instanceof z.core.$ZodEnum
    ? Object.values(schema._zod.def.entries)
    : schema instanceof z.core.$ZodLiteral
    ? schema._zod.def.values
    : [];
  const texts = values.filter((value) => typeof value === "string");
  return texts.length === values.length ? texts : [];
}

function defaultOf(layers: readonly z.core.$ZodType[]): unknown {
  const layer = layers.find((layer) => layer instanceof z.core.$ZodDefault || layer instanceof z.core.$ZodPrefault);
  return layer?._zod.def.defaultValue;
}

function placeholderOf(flag: string, isList: boolean): string {
  const word = flag.split("-").at(-1) ?? flag;
  return isList && word.endsWith("s") ? word.slice(0, -1) : word;
}
