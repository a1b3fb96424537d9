import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Home, useCompiled } from "./compiled.ts";

useCompiled();

test("a tsconfig.json in the current folder puts no other file in the place of the recipe", async () => {
  await using home = new Home();
  const mark = join(home.path, "mark");
  const recipe = home.write("recipes/hello.ts", 'export default () => "the one that was named";\n');
  home.write(
    "here/evil.js",
    `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "");\nexports.default = () => "another";\n`,
  );
  const paths = Object.fromEntries(["*", "/*", recipe].map((pattern) => [pattern, ["./evil.js"]]));
  home.write("here/tsconfig.json", JSON.stringify({ compilerOptions: { baseUrl: ".", paths } }));
  const { stdout, code } = await home.run(["run", recipe], { cwd: join(home.work, "here") });
  expect({ stdout, code }).toEqual({ stdout: "the one that was named\n", code: 0 });
  expect(existsSync(mark)).toBe(false);
});
