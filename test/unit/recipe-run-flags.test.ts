import { describe, expect, test } from "bun:test";
import { takeRunFlags } from "../../src/recipe/run-flags.ts";
import type { RunRequest } from "../../src/recipe/start.ts";

const asked: RunRequest = {
  ...{ file: "r.ts", args: [], check: true, dryRun: false, detach: false, watch: false, faults: [] },
};
const take = (...args: string[]) => takeRunFlags({ ...asked, args });

describe("flags behind the file", () => {
  test("that are the run's are taken, the recipe's stay in their order", () => {
    expect(take("--name", "you", "--dry-run", "--log-file=out.log", "--resume", "5f", "x")).toMatchObject({
      args: ["--name", "you", "x"],
      ...{ dryRun: true, logFile: "out.log", resume: "5f" },
    });
    expect(take("--detach", "--watch", "--no-check")).toMatchObject({
      detach: true,
      watch: true,
      check: false,
      args: [],
    });
  });

  test("the hours of `--keep-on-failure` may be left out", () => {
    expect(take("--keep-on-failure", "x")).toMatchObject({ keepOnFailure: 1, args: ["x"] });
    expect(take("--keep-on-failure", "2.5", "x")).toMatchObject({ keepOnFailure: 2.5, args: ["x"] });
    expect(take("--keep-on-failure=4")).toMatchObject({ keepOnFailure: 4, args: [] });
  });

  test("several faults are all meant", () => {
    expect(take("--emulate", "lambda", "--faults", "flaky", "--faults=slow", "--chaos", "20", "--seed", "7"))
      .toMatchObject({ emulate: "lambda", faults: ["flaky", "slow"], chaos: 20, seed: 7 });
  });

  test("behind two dashes nothing is the run's", () => {
    expect(take("--", "--dry-run")).toMatchObject({ args: ["--", "--dry-run"], dryRun: false });
  });

  test("that are wrong are refused", () => {
    expect(() => take("--resume")).toThrow("`--resume` needs a value");
    expect(() => take("--chaos", "many")).toThrow("`--chaos` takes a number from 0 to 100, not `many`");
    expect(() => take("--keep-on-failure=9999")).toThrow("takes a number from 0 to 720");
    expect(() => take("--emulate", "mars")).toThrow("must be one of `lambda`");
  });
});
