import { expect, test } from "bun:test";
import { withAdvice } from "../../src/recipe/advice.ts";

test("a module that cannot be found comes with the command that installs it, where there is one", () => {
  const advice = (name: string, file = "r.ts") => {
    const message = `Cannot find module '${name}' or its corresponding type declarations.`;
    return withAdvice({ file, code: "TS2307", message }).slice(message.length).trim();
  };
  expect(advice("asciichart")).toBe("`gpu recipe add asciichart` installs it.");
  expect(advice("@scope/name/deep.js", "my recipes/r.ts")).toBe(
    "`gpu recipe add @scope/name --dir 'my recipes'` installs it.",
  );
  expect(advice("npm:asciichart@1.5")).toBe('`gpu recipe add asciichart` installs it; import it as "asciichart".');
  expect(advice("https://example.com/x.ts")).toBe("Recipes import files beside them and npm packages.");
  expect(advice("jsr:@std/path")).toBe("Recipes import files beside them and npm packages.");
  for (const ours of ["./helper.ts", "../data.json", "/x.ts", "node:nothing"]) expect(advice(ours)).toBe("");
});

test("spans and amounts are shown where one was written wrongly", () => {
  const advice = (message: string) =>
    withAdvice({ file: "r.ts", code: "TS2345", message }).slice(message.length).trim();
  expect(advice(`Type '"2"' is not assignable to type 'Duration | undefined'.`)).toContain('"1h30m"');
  expect(advice(`Argument of type '"5x"' is not assignable to parameter of type 'Size'.`)).toContain('"16GiB"');
  expect(advice(`Type 'string' is not assignable to type 'number'.`)).toBe("");
});
