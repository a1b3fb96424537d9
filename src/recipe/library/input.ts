import { readParams } from "../../surface/params.ts";
import * as z from "../zod.ts";
import type { Expression, Outline } from "./expression.ts";

/** `z.object({ … })` made again, with what is known of its fields. */
export function inputOf(expression: Expression, outline: Outline): { schema: z.ZodObject; isWhole: boolean } {
  const [fields] = expression.kind === "call" ? expression.args : [];
  const object = follow(fields, outline);
  const isObject = expression.kind === "call" && expression.of.kind === "member" && isNamed(expression.of.of, "z") &&
    /^(?:object|strictObject)$/.test(expression.of.name);
  if (!isObject || object?.kind !== "object") return { schema: z.object({}), isWhole: false };
  const made = [...object.fields].map(([key, field]) => ({ key, ...schemaOf(field, outline) }));
  const schema = z.object(Object.fromEntries(made.map(({ key, schema }) => [key, schema])));
  try {
    readParams(schema);
  } catch {
    return { schema: z.object({}), isWhole: false };
  }
  return { schema, isWhole: object.isWhole && made.every(({ isWhole }) => isWhole) };
}

/** Schemas without a function in them, and what narrows or describes them: these can be made from literals alone. */
const beginnings = ["string", "number", "int", "boolean", "enum", "literal", "array", "duration", "bytes"];
const steps = [
  "array",
  "default",
  "describe",
  "endsWith",
  "gt",
  "gte",
  "int",
  "length",
  "lt",
  "lte",
  "max",
  "meta",
  "min",
  "multipleOf",
  "negative",
  "nonempty",
  "nonnegative",
  "nonoptional",
  "nonpositive",
  "optional",
  "positive",
  "startsWith",
  "trim",
];

interface Made {
  readonly schema: z.ZodType;
  readonly isWhole: boolean;
}

function schemaOf(expression: Expression, outline: Outline): Made {
  const followed = follow(expression, outline);
  if (followed?.kind !== "call" || followed.of.kind !== "member") return unknownField;
  const { of: owner, name } = followed.of;
  const args = followed.args.map((arg) => valueOf(arg, outline));
  const known = args.flatMap((arg) => arg.isKnown ? [arg.value] : []);
  const isKnown = known.length === args.length;
  if (isNamed(owner, "z")) {
    if (!beginnings.includes(name)) return unknownField;
    return isKnown ? made(z, name, known) ?? unknownField : unknownField;
  }
  const before = schemaOf(owner, outline);
  const after = isKnown && steps.includes(name) ? made(before.schema, name, known) : undefined;
  if (after) return { schema: after.schema, isWhole: before.isWhole };
  // A default that is computed is one all the same.
  const schema = name === "default" || name === "prefault" || name === "catch"
    ? before.schema.optional()
    : before.schema;
  return { schema, isWhole: false };
}

const unknownField: Made = { schema: z.string().optional(), isWhole: false };

function made(owner: object, name: string, args: readonly unknown[]): Made | undefined {
  try {
    const method: unknown = Reflect.get(owner, name);
    const schema: unknown = typeof method === "function" ? Reflect.apply(method, owner, [...args]) : undefined;
    return schema instanceof z.ZodType ? { schema, isWhole: true } : undefined;
  } catch {
    return undefined; // Its own check would say so: `z.number().min("a")`.
  }
}

type Value = { readonly isKnown: true; readonly value: unknown } | { readonly isKnown: false };

function valueOf(expression: Expression, outline: Outline): Value {
  const followed = follow(expression, outline) ?? expression;
  if (followed.kind === "literal") return { isKnown: true, value: followed.value };
  if (followed.kind === "list") {
    const items = followed.items.map((item) => valueOf(item, outline));
    const known = items.flatMap((item) => item.isKnown ? [item.value] : []);
    return known.length === items.length ? { isKnown: true, value: known } : { isKnown: false };
  }
  if (followed.kind === "object" && followed.isWhole) {
    const fields = [...followed.fields].map(([key, field]) => ({ key, value: valueOf(field, outline) }));
    const known = fields.flatMap(({ key, value }) => value.isKnown ? [[key, value.value] as const] : []);
    return known.length === fields.length ? { isKnown: true, value: Object.fromEntries(known) } : { isKnown: false };
  }
  if (followed.kind === "call") {
    const { schema, isWhole } = schemaOf(followed, outline);
    return isWhole ? { isKnown: true, value: schema } : { isKnown: false };
  }
  return { isKnown: false };
}

/** Where a name stands for a constant of the file, that constant. */
export function follow(expression: Expression | undefined, { constants }: Outline): Expression | undefined {
  for (let depth = 0; expression?.kind === "name" && depth < 8; depth++) {
    const next = constants.get(expression.name);
    if (next === undefined) return expression;
    expression = next;
  }
  return expression;
}

/** Whether it is that name. */
export function isNamed(expression: Expression, name: string): boolean {
  return expression.kind === "name" && expression.name === name;
}
