import type { Globals } from "../command.ts";
import type { Param } from "./param.ts";

/** The flags that every command has, beside `--help`. Plain data: the overview needs them and no schema. */
export const globalParams: readonly Param[] = [
  global({ key: "json", type: "boolean", description: "print the result as JSON, errors too" }),
  global({ key: "quiet", type: "boolean", short: "q", description: "say nothing but the result and errors" }),
  global({
    key: "verbose",
    type: "boolean",
    short: "v",
    description: "say what is done: requests, SSH logins, launches; causes of errors",
  }),
  global({
    key: "color",
    type: "boolean",
    default: true,
    description: "colour the output when it goes to a terminal",
  }),
  global({ key: "yes", type: "boolean", short: "y", description: "do not ask: costs and losses are accepted" }),
  global({
    key: "provider",
    type: "string",
    env: "GPU_PROVIDER",
    complete: "provider",
    description: "provider to use instead of the configured one",
  }),
  global({
    key: "profile",
    type: "string",
    env: "GPU_PROFILE",
    complete: "profile",
    description: "profile of the configuration",
  }),
];

function global(param: Pick<Param, "key" | "type" | "description"> & Partial<Param>): Param {
  return {
    flag: param.key,
    short: undefined,
    aliases: [],
    choices: [],
    place: "flag",
    isRequired: false,
    isHidden: false,
    default: param.type === "boolean" ? false : undefined,
    implied: undefined,
    env: undefined,
    complete: undefined,
    placeholder: "name",
    ...param,
  };
}

/** What holds before the command line has been understood. */
export const defaultGlobals: Globals = {
  json: false,
  quiet: false,
  verbose: false,
  color: true,
  yes: false,
  provider: undefined,
  profile: undefined,
};

/** Values by key, as flags and environment gave them. */
export function toGlobals(raw: Readonly<Record<string, unknown>>): Globals {
  const flag = (key: "json" | "quiet" | "verbose" | "color" | "yes") => {
    const value = raw[key];
    return typeof value === "boolean" ? value : defaultGlobals[key];
  };
  const text = (key: "provider" | "profile") => {
    const value = raw[key];
    return typeof value === "string" ? value : undefined;
  };
  return {
    json: flag("json"),
    quiet: flag("quiet"),
    verbose: flag("verbose"),
    color: flag("color"),
    yes: flag("yes"),
    provider: text("provider"),
    profile: text("profile"),
  };
}
