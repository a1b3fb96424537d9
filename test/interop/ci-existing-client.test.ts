import { expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { testWith } from "../needs.ts";
import { ServerHome } from "./ci-serve.ts";

setDefaultTimeout(30_000);

testWith("python3")("an existing client works unchanged", async () => {
  await using servers = await ServerHome.make();
  const { url } = await servers.serve("--data", "existing");
  await servers.gpu("ci", "user", "create", "--name", "Ada", "--email", "ada@example.com", "--data", "existing");
  const made = await servers.gpu(
    ...["ci", "key", "create", "--email", "ada@example.com", "--name", "old client", "--data", "existing"],
  );
  const { hostname, port } = new URL(url);
  const python = async (...argv: string[]) => {
    const child = Bun.spawn(
      ["python3", join(import.meta.dir, "ci-existing-client.py"), hostname, port, made.stdout.trim(), ...argv],
      { stdout: "pipe", stderr: "pipe" },
    );
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { stdout, stderr, exitCode: await child.exited };
  };
  const passed = await python("submit", "echo one; echo 'zwei é 😀'");
  expect(passed).toMatchObject({ stdout: "one\nzwei é 😀\n", exitCode: 0 });
  const failed = await python("submit", "echo no; exit 2");
  expect(failed).toMatchObject({ stdout: "no\n", exitCode: 1 });
  const later = await python("async", "sleep 0.2; echo later");
  expect(later.stdout).toMatch(/^Job submitted: [a-f0-9-]{36}\n$/);
  const id = later.stdout.trim().slice(-36);
  expect(await python("wait", id, "--all")).toMatchObject({ stdout: "later\n", exitCode: 0 });
  expect(await python("wait", id)).toMatchObject({ stdout: "Job already completed.\n", exitCode: 0 });
  expect((await python("list")).stdout.split("\n")).toEqual([
    `${id} completed True Z Z`,
    `${failed.stderr.trim().slice(-36)} completed False Z Z`,
    `${passed.stderr.trim().slice(-36)} completed True Z Z`,
    "",
  ]);
});
