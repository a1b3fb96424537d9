import type { z } from "zod";
import { UsageError } from "../errors.ts";
import { readParams } from "./params.ts";
import { fromEnvironment } from "./text.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Checks what a recipe passed; a key that does not exist is an error, as a mistyped flag is. */
export function validateInput(
  { name, schema, input, env }: { name: string; schema: z.ZodObject; input: unknown; env: Environment },
): z.output<z.ZodObject> {
  if (typeof input !== "object" || input === null) {
    throw new UsageError(`\`${name}\` takes an object, not \`${String(input)}\``);
  }
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  const result = schema.strict().safeParse({ ...fromEnvironment(readParams(schema), env), ...given });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const key = issue?.path.join(".") ?? "";
  const keys = Object.keys(schema.shape).map((word) => `\`${word}\``).join(", ");
  throw new UsageError(`\`${name}\`: ${key === "" ? "" : `\`${key}\`: `}${issue?.message ?? "not valid"}`, {
    hint: issue?.code === "unrecognized_keys"
      ? (keys === "" ? "it takes nothing" : `it takes ${keys}`)
      : schema.shape[String(issue?.path[0])]?.description,
  });
}
