import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { defineCommand } from "../../src/command.ts";
import { UsageError } from "../../src/errors.ts";
import { parseArguments } from "../../src/surface/argv.ts";
import { findCommand } from "../../src/surface/find.ts";
import { suggest } from "../../src/surface/suggest.ts";

const sample = defineCommand({
  name: "sample",
  summary: "Show every kind of parameter",
  effect: "read",
  input: z.object({
    instance: z.string().optional().meta({ positional: true, description: "instance" }),
    command: z.array(z.string()).optional().meta({ rest: true, description: "command" }),
    hours: z.number().positive().default(4).meta({ short: "H", env: "GPU_LEASE_HOURS", description: "lease in hours" }),
    wait: z.boolean().default(true).describe("wait"),
    all: z.boolean().default(false).describe("all"),
    bootTimeout: z.number().optional().meta({ description: "time", aliases: ["ready-timeout"] }),
    forward: z.array(z.string()).optional().describe("forward"),
    rates: z.array(z.number()).optional().describe("rates"),
    kind: z.enum(["one", "two"]).optional().describe("kind"),
    keep: z.number().optional().meta({ implied: "1", description: "keep" }),
  }),
  output: z.object({}),
  run: () => Promise.resolve({}),
  view: () => "",
});

function parse(argv: string[], env: Record<string, string> = {}) {
  const parsed = parseArguments(sample, argv, env);
  if (parsed.kind === "help") throw new Error("asked for help");
  return parsed;
}

function refusal(argv: string[], env: Record<string, string> = {}): { message: string; hint: string | undefined } {
  try {
    parse(argv, env);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    if (error instanceof UsageError) return { message: error.message, hint: error.hint };
  }
  throw new Error("nothing was refused");
}

describe("arguments", () => {
  test("a number that may be left out is not taken from what stands behind it", () => {
    expect(parse(["--keep", "i-1"]).input).toMatchObject({ keep: 1, instance: "i-1" });
    expect(parse(["--keep", "2.5", "i-1"]).input).toMatchObject({ keep: 2.5, instance: "i-1" });
    expect(parse(["i-1", "--keep"]).input).toMatchObject({ keep: 1, instance: "i-1" });
    expect(parse(["--keep=3", "--all"]).input).toMatchObject({ keep: 3, all: true });
    expect(parse(["i-1", "--", "--keep", "x"]).input).toMatchObject({ instance: "i-1", command: ["--keep", "x"] });
  });

  test("defaults hold when nothing is given", () => {
    expect(parse([]).input).toEqual({ hours: 4, wait: true, all: false });
  });

  test("flags, their short forms, other names, repeated ones and switches", () => {
    const argv = [
      "i-1",
      "-H",
      "0.5",
      "--no-wait",
      "--all",
      "--ready-timeout=9",
      "--forward",
      "1:2",
      "--forward",
      "3:4",
    ];
    expect(parse(argv).input).toEqual({
      instance: "i-1",
      hours: 0.5,
      wait: false,
      all: true,
      bootTimeout: 9,
      forward: ["1:2", "3:4"],
    });
  });

  test("a switch that is on by default may be said all the same", () => {
    expect(parse(["--wait"]).input).toEqual({ hours: 4, wait: true, all: false });
    expect(parse(["--wait", "--no-wait"]).input).toMatchObject({ wait: false });
  });

  test("what stands behind two dashes is not read as flags", () => {
    expect(parse(["i-1", "--", "ls", "--all", "--", "-H"]).input).toMatchObject({
      command: ["ls", "--all", "--", "-H"],
      all: false,
    });
  });

  test("an environment variable stands in for its flag, and the flag wins", () => {
    expect(parse([], { GPU_LEASE_HOURS: "2" }).input.hours).toBe(2);
    expect(parse(["--hours", "3"], { GPU_LEASE_HOURS: "2" }).input.hours).toBe(3);
    expect(parse([], { GPU_LEASE_HOURS: "" }).input.hours).toBe(4);
    expect(parse([], { GPU_PROVIDER: "lambda" }).globals.provider).toBe("lambda");
  });

  test("global flags are read beside a command's own", () => {
    expect(parse(["--json", "--yes", "--no-color", "--profile", "work"]).globals).toEqual({
      json: true,
      quiet: false,
      verbose: false,
      color: false,
      yes: true,
      provider: undefined,
      profile: "work",
    });
  });

  test("a mistyped flag is refused, with the one that was meant", () => {
    expect(refusal(["--huors", "3"])).toEqual({
      message: "`gpu sample` has no flag `--huors`",
      hint: "did you mean `--hours`?",
    });
    expect(refusal(["--no-wiat"]).hint).toBe("did you mean `--no-wait`?");
    expect(refusal(["--xyzzy"]).hint).toBe("`gpu sample --help` lists its flags");
  });

  test("values of the wrong kind are refused by name", () => {
    expect(refusal(["--hours", "soon"]).message).toBe("`--hours` takes a number, not `soon`");
    expect(refusal([], { GPU_LEASE_HOURS: "soon" }).message).toBe("`GPU_LEASE_HOURS` takes a number, not `soon`");
    expect(refusal(["--rates", "1, 2"])).toEqual({
      message: "`--rates` takes a number, not `1, 2`",
      hint: "`--rates 1 --rates 2`",
    });
    expect(refusal(["--hours", "0x10"]).message).toBe("`--hours` takes a number, not `0x10`");
    expect(refusal(["--hours", "-1"]).message).toBe("`--hours` must be more than 0");
    expect(refusal(["--hours"]).message).toBe("`--hours` needs a value");
    expect(refusal(["--kind", "three"]).message).toBe("`--kind` must be one of `one`, `two`");
  });

  test("a command without its dashes is refused, with the dashes in the hint", () => {
    expect(refusal(["i-1", "uname"])).toEqual({
      message: "`gpu sample` does not take `uname`",
      hint: "what is run there goes behind two dashes: `gpu sample … -- uname`",
    });
  });
});

describe("commands", () => {
  const entries = ["start", "status", "ci list", "ci submit test", "tunnel start"].map((name) => ({ name }));

  test("the longest path of words is the command", () => {
    expect(findCommand(entries, ["ci", "submit", "test", "--async"])).toMatchObject({
      entry: { name: "ci submit test" },
      rest: ["--async"],
    });
    expect(findCommand(entries, ["--json", "--provider", "local", "status", "i-1"])).toMatchObject({
      entry: { name: "status" },
      rest: ["--json", "--provider", "local", "i-1"],
    });
    expect(findCommand(entries, ["ci", "--help"])).toMatchObject({ kind: "group", path: ["ci"] });
  });

  test("an unknown one is refused, with the one that was meant", () => {
    expect(() => findCommand(entries, ["staus"])).toThrow(new UsageError("there is no command `gpu staus`"));
    expect(hintOf(() => findCommand(entries, ["staus"]))).toBe("did you mean `gpu status`?");
    expect(hintOf(() => findCommand(entries, ["ci", "sumbit"]))).toBe("did you mean `gpu ci submit`?");
    expect(hintOf(() => findCommand(entries, ["list"]))).toBe("`gpu status` does that");
    expect(hintOf(() => findCommand(entries, ["test"]))).toBe("did you mean `gpu ci submit test`?");
    expect(hintOf(() => findCommand(entries, ["frobnicate"]))).toBe("`gpu --help` lists what there is");
  });

  test("suggestions weigh swaps, omissions and beginnings", () => {
    expect(suggest("strat", ["start", "status", "stop"])).toEqual(["start"]);
    expect(suggest("stat", ["start", "status", "stop"])).toEqual(["start"]);
    expect(suggest("x", ["start"])).toEqual([]);
  });
});

function hintOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof UsageError) return error.hint;
  }
  throw new Error("nothing was refused");
}
