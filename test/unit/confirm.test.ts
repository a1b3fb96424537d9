import { expect, test } from "bun:test";
import type { Command, Context } from "../../src/command.ts";
import { confirmPlan } from "../../src/confirm.ts";
import { openTurns } from "../../src/terminal/turns.ts";
import { fakeTerminal } from "../fake/terminal.ts";

test("a question comes below a note that is still being written", async () => {
  const terminal = fakeTerminal({ isTTY: true, typed: ["y"], staysOpen: true });
  const about = Promise.withResolvers<void>();
  const inTurn = openTurns();
  const context = {
    ...{ world: { terminal }, globals: {}, signal: new AbortController().signal, progress() {} },
    around(write: () => Promise<void>) {
      about.resolve();
      return inTurn(write);
    },
  } as unknown as Context;
  const plan = { action: "delete the folder", loss: "what is in it" };
  const command = { effect: "destroy", plan: () => plan } as unknown as Command;
  // The terminal takes its time: until the question is about to be asked, or stands there.
  void inTurn(async () => {
    await about.promise;
    await terminal.stderr.write("a note\n");
  });
  const asked = confirmPlan(command, {}, context);
  void asked.finally(about.resolve);
  expect(await asked).toBe(plan);
  expect(terminal.takeLines().join("\n")).toMatch(/^2\| a note\n[^]*Delete the folder, which loses what is in it\?/);
});
