import type { Mask } from "../mask.ts";

/** What stands in the log of a run where a parameter is a secret. */
const stars = "********";

/** A schema as far as it is looked at: what it is made of, where it only wraps another. */
interface Wrapped {
  meta?(): { readonly secret?: boolean } | undefined;
  readonly def?: { readonly innerType?: unknown };
}

/**
 * Parameters as the log of a run may have them: without those that are marked with `.meta({ secret: true })`, and those
 * whose names say that they are secrets. What is marked is hidden from here on in all that is printed as well.
 */
export function hideSecretFields(
  values: Readonly<Record<string, unknown>>,
  { shape, mask }: { readonly shape: Readonly<Record<string, unknown>>; readonly mask: Mask },
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const isMarked = isSecret(shape[key]);
      if (isMarked) { for (const text of textsIn(value)) mask.add(text); }
      const isHidden = isMarked || /key|token|secret|passw|credential/i.test(key);
      return [key, isHidden && value !== undefined ? stars : value];
    }),
  );
}

/** Whether a schema, or one that it only wraps with a default or as optional, is marked. */
function isSecret(schema: unknown): boolean {
  for (let inner = schema; isSchema(inner); inner = inner.def?.innerType) {
    if (inner.meta?.()?.secret === true) return true;
  }
  return false;
}

function isSchema(value: unknown): value is Wrapped {
  return typeof value === "object" && value !== null && "def" in value;
}

function textsIn(value: unknown): string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.flatMap((one) => typeof one === "string" || typeof one === "number" ? [String(one)] : []);
}
