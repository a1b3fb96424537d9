import { z } from "zod";
import { Config } from "../config.ts";
import { UsageError } from "../errors.ts";
import { didYouMean } from "../surface/suggest.ts";

/** What the schema of the configuration says of one place in it. */
interface Place {
  /** Its keys; undefined where it takes names of the user's own. */
  readonly keys: ReadonlyMap<string, Place> | undefined;
  /** What is below a name of the user's own; undefined where there is nothing below. */
  readonly named: Place | undefined;
}

const SchemaNode = z.object({
  type: z.string().optional(),
  get properties() {
    return z.record(z.string(), SchemaNode).optional();
  },
  get additionalProperties() {
    return z.union([z.boolean(), SchemaNode]).optional();
  },
});

let root: Place | undefined;

/** The keys that may stand below these, for suggestions; none where names are the user's own. */
export function keysBelow(keys: readonly string[]): string[] {
  let place: Place | undefined = rootPlace();
  for (const key of keys) place = place?.keys?.get(key) ?? place?.named;
  return [...place?.keys?.keys() ?? []];
}

/**
 * The parts of a dotted key: `defaults.hours`. A name with a dot in it stands in quotes, `models."qwen2.5".context`,
 * or is known from the configuration. Throws for a key that no configuration has.
 */
export function readKey(text: string, config: Config): string[] {
  const keys: string[] = [];
  let place: Place = rootPlace();
  let values: unknown = config;
  let rest = text;
  while (rest !== "") {
    const known = place.keys ? [] : namesIn(values);
    const key = nextPart(rest, known);
    rest = rest.slice(key.length);
    const name = key.replace(/^"(.*)"$/, "$1");
    const next = place.keys?.get(name) ?? (place.keys ? undefined : place.named);
    if (next === undefined || name === "" || isForbidden(name)) throw unknownKey({ keys, name, place, text });
    if (rest !== "") rest = rest.slice(1) || '""';
    keys.push(name);
    values = valueIn(values, name);
    place = next;
  }
  if (keys.length === 0) throw new UsageError("the key is empty", { hint: "`gpu config list` lists keys" });
  return keys;
}

/** Dotted, with quotes around a name that has a dot in it. */
export function showKey(keys: readonly string[]): string {
  return keys.map((key) => (/[."]/.test(key) ? `"${key}"` : key)).join(".");
}

function nextPart(rest: string, known: readonly string[]): string {
  const quoted = /^"[^"]*"(?=\.|$)/.exec(rest)?.[0];
  const longest = known.filter((name) => rest === name || rest.startsWith(`${name}.`))
    .toSorted((one, other) => other.length - one.length)[0];
  return quoted ?? longest ?? rest.split(".")[0] ?? "";
}

function unknownKey(
  { keys, name, place, text }: { keys: readonly string[]; name: string; place: Place; text: string },
): UsageError {
  const candidates = [...place.keys?.keys() ?? []];
  const isLeaf = !place.keys && !place.named;
  return new UsageError(
    isLeaf ? `\`${showKey(keys)}\` has nothing below it` : `there is no key \`${text}\` in the configuration`,
    {
      hint: didYouMean(name, candidates, (word) => showKey([...keys, word])) ??
        (candidates.length > 0
          ? `below ${keys.length > 0 ? `\`${showKey(keys)}\`` : "it"} are: ${candidates.join(", ")}`
          : "`gpu config list` lists keys"),
    },
  );
}

// A name of the user's own becomes a key of an object.
function isForbidden(name: string): boolean {
  return name === "__proto__";
}

function namesIn(values: unknown): string[] {
  return typeof values === "object" && values !== null ? Object.keys(values) : [];
}

function valueIn(values: unknown, name: string): unknown {
  if (typeof values !== "object" || values === null) return undefined;
  return Object.entries(values).find(([key]) => key === name)?.[1];
}

function rootPlace(): Place {
  return root ??= toPlace(SchemaNode.parse(z.toJSONSchema(Config, { io: "input" })));
}

/** A place of which the schema says nothing takes anything, however deep. */
const anything: Place = {
  keys: undefined,
  get named() {
    return anything;
  },
};

function toPlace({ type, properties, additionalProperties }: z.output<typeof SchemaNode>): Place {
  if (type === undefined) return anything;
  const entries = Object.entries(properties ?? {}).map(([key, node]) => [key, toPlace(node)] as const);
  const isNode = typeof additionalProperties === "object";
  return {
    keys: entries.length > 0 ? new Map(entries) : undefined,
    named: isNode ? toPlace(additionalProperties) : undefined,
  };
}
