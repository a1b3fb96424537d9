import { UsageError } from "../errors.ts";
import type { Param } from "./param.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The value that text on a command line means; `called` is what the person gave it by. */
export function fromText(param: Param, value: unknown, called: string): unknown {
  if (param.type === "numbers" && Array.isArray(value)) return value.map((text) => toNumber(text, called, param));
  if (param.type === "number") return toNumber(value, called);
  return value;
}

/** Values of the variables that parameters name; an empty variable counts as not set. */
export function fromEnvironment(params: readonly Param[], env: Environment): Record<string, unknown> {
  return Object.fromEntries(params.flatMap((param) => {
    const text = param.env === undefined ? undefined : env[param.env];
    if (text === undefined || text === "") return [];
    const called = `\`${param.env}\``;
    if (param.type === "boolean") return [[param.key, !["0", "false", "no"].includes(text)]];
    const isList = param.type === "strings" || param.type === "numbers";
    return [[param.key, fromText(param, isList ? text.split(",") : text, called)]];
  }));
}

/** Plain decimals only: `0x10` and `1e9` are typing mistakes more often than numbers. */
export const numberPattern = /^-?(\d+(\.\d*)?|\.\d+)$/;

function toNumber(text: unknown, called: string, list?: Param): number {
  if (typeof text === "string" && numberPattern.test(text.trim())) return Number(text);
  const isFlagged = list?.place === "flag" && typeof text === "string" && text.includes(",");
  throw new UsageError(`${called} takes a number, not \`${text}\``, {
    hint: isFlagged ? `\`${text.split(",").map((one) => `--${list.flag} ${one.trim()}`).join(" ")}\`` : undefined,
  });
}
