// The check of a recipe begins before the command line is read, and ends with it.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { buildTypes } from "../../scripts/types.ts";
import { beginCheck, takeAhead } from "../../src/recipe/ahead.ts";
import { type Bench, openBench, removeTestCache } from "../unit/recipe-fixture.ts";

let bench: Bench;
beforeAll(async () => void await buildTypes(), 180_000);
beforeEach(() => {
  bench = openBench();
  bench.write({ "r.ts": "export default () => {};\n", "wrong.ts": "export default () => 1 + true;\n" });
});
afterEach(() => bench[Symbol.dispose]());
afterAll(removeTestCache);

const begin = async (...argv: string[]) => await beginCheck(argv, bench.world, new AbortController().signal);

test("what was begun is there once, with what the check says", async () => {
  using begun = await begin("wrong.ts", "--some-flag");
  expect(begun).toBeDefined();
  const ahead = takeAhead("wrong.ts", bench.world);
  expect(ahead?.file.name).toBe("wrong.ts");
  expect(await ahead?.diagnostics).toMatchObject([{ file: "wrong.ts", line: 1, code: "TS2365" }]);
  expect(takeAhead("wrong.ts", bench.world)).toBeUndefined();
});

test("it is nobody else's: another folder, another recipe", async () => {
  using begun = await begin("r.ts");
  expect(begun).toBeDefined();
  expect(takeAhead("wrong.ts", bench.world)).toBeUndefined();
  expect(takeAhead("r.ts", { ...bench.world, cwd: "/" })).toBeUndefined();
  expect(await takeAhead("r.ts", bench.world)?.diagnostics).toEqual([]);
});

test.each([[["no.ts"]], [["--quiet", "r.ts"]], [["r.ts", "--no-check"]], [["r.ts", "--watch"]], [[]]])(
  "nothing is begun for %p",
  async (argv) => {
    using begun = await begin(...argv);
    expect(begun).toBeUndefined();
    expect(takeAhead("r.ts", bench.world)).toBeUndefined();
  },
);

test("where the command line is refused the checker is ended", async () => {
  // A recipe of some seconds of checking: each type is another one's.
  bench.write({ "slow.ts": `${slowTypes}\nexport default () => {};\n` });
  const begun = await begin("slow.ts");
  const ahead = takeAhead("slow.ts", bench.world);
  begun?.[Symbol.dispose]();
  await expect(Promise.resolve(ahead?.diagnostics)).rejects.toThrow("abort");
});

const slowTypes = `
type Wide = "a" | "b" | "c" | "d" | "e" | "f" | "g" | "h" | "i" | "j";
type Words = \`\${Wide}\${Wide}\${Wide}\${Wide}\`;
export const words: Record<Words, 1> = {} as { [key in Words]: 1 };
`;
