export type ParamType = "string" | "number" | "boolean" | "strings" | "numbers";

/** One parameter of a command, as help, argv and completion see it. */
export interface Param {
  /** Name of the field in the input. */
  readonly key: string;
  /** `--long-name`, without the dashes. */
  readonly flag: string;
  readonly short: string | undefined;
  readonly aliases: readonly string[];
  readonly type: ParamType;
  readonly choices: readonly string[];
  readonly place: "flag" | "positional" | "rest" | "passThrough";
  readonly isRequired: boolean;
  readonly isHidden: boolean;
  readonly default: unknown;
  /** The value where the flag is given without one. */
  readonly implied: string | undefined;
  readonly description: string;
  readonly env: string | undefined;
  readonly complete: string | undefined;
  readonly placeholder: string;
}
