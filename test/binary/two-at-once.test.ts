import { expect, test } from "bun:test";
import { Home, useCompiled } from "./compiled.ts";

useCompiled();

test("two gpu start at once rent two instances", async () => {
  await using home = new Home();
  const started = await Promise.all([home.run(["start", "--json"]), home.run(["start", "--json"])]);
  expect(started.map(({ code, stderr }) => code === 0 ? "" : stderr)).toEqual(["", ""]);
  const ids = started.map(({ stdout }) => JSON.parse(stdout).id);
  expect(new Set(ids).size).toBe(2);

  const { stdout } = await home.run(["status", "--json"]);
  expect(JSON.parse(stdout).map(({ id }: { id: string }) => id).sort()).toEqual(ids.toSorted());

  // Both stop everything; neither may fail because the other was first.
  const stopped = await Promise.all([home.run(["stop", "--all", "--yes"]), home.run(["stop", "--all", "--yes"])]);
  expect(stopped.map(({ code, stderr }) => code === 0 ? "" : stderr)).toEqual(["", ""]);
  await home.expectNothingLeft();
});

test("two runs at once in one HOME do not disturb each other", async () => {
  await using home = new Home();
  const path = home.write(
    "own.ts",
    `import { gpu, recipe, z } from "gpu";
export default recipe({
  summary: "Say which instance this run got",
  input: z.object({}),
  async run() {
    await using box = await gpu.start({ hours: 0.1 });
    console.log(\`got \${box.id}\`);
    return {};
  },
});
`,
  );
  const ended = await Promise.all([home.run(["run", path, "--yes"]), home.run(["run", path, "--yes"])]);
  expect(ended.map(({ code, stderr }) => code === 0 ? "" : stderr)).toEqual(["", ""]);
  expect(new Set(ended.map(({ stdout }) => stdout.match(/got (\S+)/)?.[1])).size).toBe(2);
  await home.expectNothingLeft();
});
