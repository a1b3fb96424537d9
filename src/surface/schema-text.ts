import { z } from "zod";

/** The part of JSON Schema that `z.toJSONSchema` writes and that has a meaning as a type. */
export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string | readonly string[];
  readonly description?: string;
  /** For the command line alone: an old name, for example. */
  readonly hidden?: boolean;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
}

/** Reads it. */
export const Schema: z.ZodType<Schema> = z.lazy(() =>
  z.looseObject({
    $ref: z.string().optional(),
    $defs: z.record(z.string(), Schema).optional(),
    type: z.union([z.string(), z.array(z.string())]).optional(),
    description: z.string().optional(),
    hidden: z.boolean().optional(),
    default: z.unknown().optional(),
    const: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    anyOf: z.array(Schema).optional(),
    oneOf: z.array(Schema).optional(),
    allOf: z.array(Schema).optional(),
    items: Schema.optional(),
    prefixItems: z.array(Schema).optional(),
    properties: z.record(z.string(), Schema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([z.boolean(), Schema]).optional(),
  })
);

export interface SchemaText {
  readonly text: string;
  /** The text is the name of a shared type. */
  readonly isName: boolean;
  /** An object without fields. */
  readonly isEmpty: boolean;
  /** An object with a field that must be given. */
  readonly isRequired: boolean;
}

/** A JSON schema as a TypeScript type. Types that have an `id` are added to `shared` by name, as declarations. */
export function schemaText(document: unknown, shared: Map<string, string>): SchemaText {
  const root = Schema.parse(document);
  const writer = new Writer(shared);
  for (const [name, definition] of Object.entries(root.$defs ?? {})) writer.share(name, definition);
  return {
    text: writer.type(root, ""),
    isName: root.$ref !== undefined,
    isEmpty: Object.keys(root.properties ?? {}).length === 0,
    isRequired: (root.required ?? []).length > 0,
  };
}

class Writer {
  readonly #shared: Map<string, string>;

  constructor(shared: Map<string, string>) {
    this.#shared = shared;
  }

  share(name: string, schema: Schema): void {
    if (this.#shared.has(name)) return;
    this.#shared.set(name, "");
    const text = this.#shape(schema, "");
    this.#shared.set(name, `${docComment(schema.description ?? `${name}.`, "")}export type ${name} = ${text};\n`);
  }

  type(schema: Schema, indent: string): string {
    if (schema.$ref === undefined) return this.#shape(schema, indent);
    const name = schema.$ref.replace("#/$defs/", "");
    return name.startsWith("#") ? "unknown" : name;
  }

  #shape(schema: Schema, indent: string): string {
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    const union = schema.anyOf ?? schema.oneOf;
    if (union) return [...new Set(union.map((member) => this.type(member, indent)))].join(" | ");
    if (schema.allOf) return schema.allOf.map((member) => `(${this.type(member, indent)})`).join(" & ");
    if (typeof schema.type === "object") {
      return schema.type.map((type) => this.#shape({ ...schema, type }, indent)).join(" | ");
    }
    switch (schema.type) {
      case "string":
      case "boolean":
      case "null":
        return schema.type;
      case "number":
      case "integer":
        return "number";
      case "array":
        return this.#list(schema, indent);
      case "object":
        return this.#object(schema, indent);
      default:
        return "unknown";
    }
  }

  #list({ items, prefixItems }: Schema, indent: string): string {
    if (prefixItems) return `readonly [${prefixItems.map((item) => this.type(item, indent)).join(", ")}]`;
    const item = items ? this.type(items, indent) : "unknown";
    return /[|&]/.test(item) && !item.startsWith("{") ? `(${item})[]` : `${item}[]`;
  }

  #object({ properties = {}, required = [], additionalProperties }: Schema, indent: string): string {
    const fields = Object.entries(properties).filter(([, { hidden }]) => !hidden);
    const others = typeof additionalProperties === "object" ? this.type(additionalProperties, indent) : "unknown";
    if (fields.length === 0) return `Record<string, ${others}>`;
    const inner = `${indent}  `;
    const lines = fields.map(([key, field]) => {
      const name = /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
      const doc = [
        field.description,
        field.default === undefined ? undefined : `Default: \`${JSON.stringify(field.default)}\`.`,
      ]
        .filter((text) => text !== undefined).join("\n\n");
      return `${doc === "" ? "" : docComment(doc, inner)}${inner}${name}${required.includes(key) ? "" : "?"}: ${
        this.type(field, inner)
      };`;
    });
    const rest = typeof additionalProperties === "object" ? [`${inner}[key: string]: unknown;`] : [];
    return `{\n${[...lines, ...rest].join("\n")}\n${indent}}`;
  }
}

/** A JSDoc comment; what would end it early cannot. */
export function docComment(text: string, indent: string): string {
  const lines = text.replaceAll("*/", "*\\/").split("\n").map((line) => line.trimEnd());
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return [`${indent}/**`, ...lines.map((line) => `${indent} *${line === "" ? "" : ` ${line}`}`), `${indent} */`, ""]
    .join("\n");
}
