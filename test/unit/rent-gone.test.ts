import { expect, test } from "bun:test";
import type { Provider } from "../../src/provider/provider.ts";
import { listInstances } from "../../src/rent/instances.ts";
import { launch, rentingComputer, waitFor } from "./rent-fixture.ts";

test("a machine that is found stopped is cleared away before the journal closes its row", async () => {
  using computer = await rentingComputer();
  const { token } = await launch(computer);
  await waitFor(computer, token);
  const [found] = await computer.provider.list();
  if (found === undefined) throw new Error("it was not launched");
  // As a local machine whose process was killed: its folder is still there.
  const cloud = computer.provider;
  const steps: string[] = [];
  const provider: Provider = {
    name: cloud.name,
    facts: cloud.facts,
    offers: () => cloud.offers(),
    launch: (request) => cloud.launch(request),
    list: async () => [{ ...found, state: "stopped", ssh: undefined }],
    get: async () => ({ ...found, state: "stopped", ssh: undefined }),
    terminate: async (id) => {
      steps.push(`terminate ${id}, ${computer.journal.launch(token)?.state}`);
      return "accepted";
    },
  };
  expect(await listInstances({ ...computer, providers: [provider] })).toEqual([]);
  expect(steps).toEqual(["terminate i-1, LAUNCHED"]);
  expect(computer.journal.launch(token)?.state).toBe("STOPPED");
});
