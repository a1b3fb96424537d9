import { describe, expect, test } from "bun:test";
import { machineFoldersOf } from "../../scripts/traces.ts";
import { Home, useCompiled } from "./compiled.ts";

useCompiled();

const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const signals = Object.entries(codes) as [keyof typeof codes, number][];

const recipe = (body: string) =>
  `import { gpu, recipe, z } from "gpu";
const forever = () => new Promise<void>((resolve) => setTimeout(resolve, 600_000));
export default recipe({
  summary: "Wait to be interrupted",
  input: z.object({}),
  async run() {
${body}
    return {};
  },
});
`;

/** Where a run may be when the signal comes: each body prints \`here\` at that point and would then go on for long. */
const points: Readonly<Record<string, string>> = {
  "before anything is rented": '    console.log("here");\n    await forever();',
  "while it waits with an instance": `    await using box = await gpu.start({ hours: 0.1 });
    console.log("here", box.id);
    await forever();`,
  "while a remote command runs": `    await using box = await gpu.start({ hours: 0.1 });
    await box.exec("echo started");
    console.log("here");
    await box.exec("sleep 600");`,
  "while a tunnel is open": `    await using box = await gpu.start({ hours: 0.1 });
    await using tunnel = await box.tunnel({ forward: ["0:ci"] });
    console.log("here", tunnel.ci().server);
    await forever();`,
};

for (const [point, body] of Object.entries(points)) {
  describe(point, () => {
    test.concurrent.each(signals)("%s", async (signal, code) => {
      await using home = new Home();
      const running = home.start(["run", home.write("wait.ts", recipe(body)), "--yes"]);
      await running.printed("here");
      running.kill(signal);
      const ended = await running.ended();
      expect({ ...ended, stdout: "", stderr: "" }).toEqual({ code, signal: null, stdout: "", stderr: "" });
      await home.expectNothingLeft();
    });
  });
}

describe("while the machine boots", () => {
  test.concurrent.each(signals)("%s", async (signal, code) => {
    await using home = new Home();
    const source = recipe("    await using box = await gpu.start({ hours: 0.1 });\n    console.log(box.id);");
    const running = home.start(["run", home.write("boot.ts", source), "--yes"], {
      env: { GPU_LOCAL_BOOT_MS: "60000" },
    });
    while (machineFoldersOf(home.path).length === 0) await Bun.sleep(5);
    running.kill(signal);
    expect((await running.ended()).code).toBe(code);
    await home.expectNothingLeft();
  });
});

test("gpu start, interrupted while it waits, leaves nothing", async () => {
  await using home = new Home();
  const running = home.start(["start"], { env: { GPU_LOCAL_BOOT_MS: "60000" } });
  while (machineFoldersOf(home.path).length === 0) await Bun.sleep(5);
  running.kill("SIGINT");
  expect((await running.ended()).code).toBe(130);
  await home.expectNothingLeft();
});
