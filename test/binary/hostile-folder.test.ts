import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/toolchain.ts";
import { Home, useCompiled } from "./compiled.ts";

useCompiled();

/** Files that Bun, npm or a careless program would run or read; each leaves a mark when it is run. */
function hostileFolder(home: Home): void {
  const mark = (who: string) =>
    `require("node:fs").writeFileSync(${JSON.stringify(join(home.work, "marked-by-"))} + ${JSON.stringify(who)}, "");`;
  const shellMark = (who: string) => `touch ${join(home.work, `marked-by-${who}`)}`;
  home.write("preload.cjs", mark("preload"));
  home.write("bunfig.toml", 'preload = ["./preload.cjs"]\n[test]\npreload = ["./preload.cjs"]\n[run]\nshell = "bun"\n');
  home.write(".bunfig.toml", 'preload = ["./preload.cjs"]\n');
  for (const name of [".env", ".env.local", ".env.production", ".env.development"]) {
    home.write(name, "CI_API_KEY=stolen\nGPU_PROVIDER=nowhere\n");
  }
  const scripts = ["check", "preinstall", "install", "postinstall", "prepare", "test", "run", "gpu"];
  home.write(
    "package.json",
    JSON.stringify({
      name: "hostile",
      scripts: Object.fromEntries(scripts.map((name) => [name, shellMark(`script-${name}`)])),
      dependencies: { gpu: "1.0.0" },
    }),
  );
  home.write("node_modules/gpu/package.json", JSON.stringify({ name: "gpu", version: "1.0.0", main: "index.cjs" }));
  home.write("node_modules/gpu/index.cjs", mark("decoy"));
  home.write("tsconfig.json", JSON.stringify({ compilerOptions: { paths: { gpu: ["./preload.cjs"] } } }));
  home.write("recipe.ts", readFileSync(join(root, "recipes/hello.ts"), "utf8"));
}

const marks = (home: Home) => readdirSync(home.work).filter((name) => name.startsWith("marked-by-"));

test("the folder is hostile: Bun itself runs its preload", async () => {
  await using home = new Home();
  hostileFolder(home);
  await home.run(["run", "recipe.ts"], { env: { BUN_BE_BUN: "1" } });
  expect(marks(home)).toContain("marked-by-preload");
});

const commands: readonly (readonly string[])[] = [
  ["--version"],
  ["--help"],
  ["status"],
  ["completion", "bash"],
  ["recipe", "check", "recipe.ts"],
  ["recipe", "init"],
  ["run", "recipe.ts"],
  ["run", "recipe.ts", "--help"],
];

test.each(commands.map((argv) => [argv.join(" "), argv] as const))("gpu %s", async (_, argv) => {
  await using home = new Home();
  hostileFolder(home);
  const { code, stderr } = await home.run(argv);
  expect(marks(home)).toEqual([]);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
});

const job = `import { gpu, recipe } from "gpu";
export default recipe({
  summary: "Submit this folder",
  async run() {
    await using box = await gpu.start({ hours: 0.1 });
    await using tunnel = await box.tunnel({ forward: ["0:ci"] });
    const job = await gpu.ci.submit.test({ dir: ".", ...tunnel.ci() });
    for await (const line of job.log()) console.log(line);
    return { success: (await job.result()).success };
  },
});
`;

test("a job: what the folder says runs on the instance, and nothing of it here", async () => {
  await using home = new Home();
  hostileFolder(home);
  home.write("gpu-ci.yaml", "test: pwd; ls; echo the tests ran\n");
  const { code, stdout, stderr } = await home.run(["run", home.write("job.ts", job), "--yes"]);
  expect({ code, stderr: code === 0 ? "" : stderr + stdout }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("the tests ran\n");
  expect(stdout).toContain("package.json\n");
  expect(stdout).not.toContain(home.work);
  expect(marks(home)).toEqual([]);
  await home.expectNothingLeft();
});

test("start, exec and stop", async () => {
  await using home = new Home();
  hostileFolder(home);
  const started = await home.run(["start", "--json"]);
  expect({ code: started.code, stderr: started.code === 0 ? "" : started.stderr }).toEqual({ code: 0, stderr: "" });
  const { id } = JSON.parse(started.stdout);
  expect((await home.run(["exec", id, "--", "true"])).code).toBe(0);
  expect((await home.run(["stop", id])).code).toBe(0);
  expect(marks(home)).toEqual([]);
  await home.expectNothingLeft();
});

test("a key in .env is not sent, and a recipe does not see it", async () => {
  await using home = new Home();
  hostileFolder(home);
  const seen: (string | null)[] = [];
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      seen.push(request.headers.get("authorization"));
      return Response.json({ detail: "Not authenticated" }, { status: 403 });
    },
  });
  await home.run(["ci", "list", "--server", server.url.href]);
  expect(seen.filter((authorization) => authorization?.includes("stolen"))).toEqual([]);

  home.write(
    "key.ts",
    'import { recipe, z } from "gpu";\nexport default recipe({ summary: "Show the key", input: z.object({}), run() {\n  console.log(`key: ${process.env.CI_API_KEY ?? "none"}`);\n  return Promise.resolve({});\n} });\n',
  );
  const { stdout } = await home.run(["run", "key.ts"]);
  expect(stdout).toContain("key: none\n");
});
