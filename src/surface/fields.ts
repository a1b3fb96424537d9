import { z } from "zod";
import { Schema } from "./schema-text.ts";

/** One field of what a command returns with `--json`. */
export interface Field {
  /** Names from the outside in: `address.port`, `hosts[].job`. */
  readonly path: string;
  /** In words: `text`, `number or null`. */
  readonly type: string;
  /** What it means; empty where nobody said. */
  readonly description: string;
}

/** What a command returns, for people: what it is as a whole, and its fields. */
export interface OutputFields {
  /** `an object`, `a list of objects`, `text`. */
  readonly whole: string;
  readonly fields: readonly Field[];
}

/** The fields of an output, each once, in the order of the schema. */
export function outputFields(output: z.ZodType): OutputFields {
  const root = Schema.parse(z.toJSONSchema(output, { unrepresentable: "any" }));
  const walk = new Walk(root.$defs ?? {});
  walk.into(root, "");
  return { whole: walk.nameOf(root), fields: [...walk.fields.values()] };
}

class Walk {
  readonly fields = new Map<string, Field>();
  readonly #definitions: Readonly<Record<string, Schema>>;
  /** Types that refer to themselves end there. */
  readonly #inside = new Set<string>();

  constructor(definitions: Readonly<Record<string, Schema>>) {
    this.#definitions = definitions;
  }

  into(schema: Schema, path: string): void {
    if (schema.$ref !== undefined) {
      if (this.#inside.has(schema.$ref)) return;
      this.#inside.add(schema.$ref);
      this.into(this.#resolved(schema), path);
      this.#inside.delete(schema.$ref);
      return;
    }
    for (const member of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]) {
      this.into(member, path);
    }
    if (schema.items) this.into(schema.items, path === "" ? "" : `${path}[]`);
    for (const [key, field] of Object.entries(schema.properties ?? {})) {
      const inner = path === "" ? key : `${path}.${key}`;
      const known = this.fields.get(inner);
      const type = this.nameOf(field);
      if (known === undefined) {
        const description = field.description ?? this.#resolved(field).description ?? "";
        this.fields.set(inner, { path: inner, type, description });
      } else if (!known.type.split(" or ").includes(type)) {
        this.fields.set(inner, { ...known, type: `${known.type} or ${type}` });
      }
      this.into(field, inner);
    }
  }

  nameOf(given: Schema): string {
    const schema = this.#resolved(given);
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
    const union = schema.anyOf ?? schema.oneOf;
    if (union) return [...new Set(union.map((member) => this.nameOf(member)))].join(" or ");
    if (typeof schema.type === "object") {
      return schema.type.map((type) => this.nameOf({ ...schema, type })).join(" or ");
    }
    if (schema.type === "array") {
      const item = schema.items === undefined ? "values" : this.nameOf(schema.items);
      return `a list of ${item.replace(/^an object\b/, "objects")}`;
    }
    if (schema.type === "object" || schema.properties) return "an object";
    return { string: "text", integer: "number" }[schema.type ?? ""] ?? schema.type ?? "any value";
  }

  #resolved(schema: Schema): Schema {
    if (schema.$ref === undefined || schema.$ref === "#") return schema.$ref === "#" ? { type: "object" } : schema;
    return this.#definitions[schema.$ref.replace("#/$defs/", "")] ?? {};
  }
}
