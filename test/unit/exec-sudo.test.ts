import { expect, test } from "bun:test";
import type { Context } from "../../src/command.ts";
import type { Runner } from "../../src/exec/runner.ts";
import { elevate, elevateOnTerminal, SudoPassword } from "../../src/exec/sudo.ts";

/** A machine that answers each question with an exit code. */
function machine(exitCodes: Readonly<Record<string, number>>): Runner {
  const exec = (command: string) => {
    const [, exitCode = 127] = Object.entries(exitCodes).find(([part]) => command.includes(part)) ?? [];
    return Promise.resolve({ exitCode });
  };
  return { exec, [Symbol.asyncDispose]: async () => {} } as unknown as Runner;
}

const { signal } = new AbortController();
const noPassword = new SudoPassword({} as Context);

test("root in a container without sudo needs none", async () => {
  const container = machine({ "sudo -n": 127, "id -u": 0 });
  expect(await elevate(container, noPassword, signal)).toBeUndefined();
  expect(await elevateOnTerminal(container, signal)).toBeUndefined();
});

test("anybody else there is told so, and a root with sudo uses it", async () => {
  await expect(elevate(machine({ "sudo -n": 127, "id -u": 1 }), noPassword, signal)).rejects.toThrow("no `sudo`");
  expect(await elevate(machine({ "sudo -n": 0 }), noPassword, signal)).toEqual({ sudo: "sudo -n --", ahead: "" });
  expect(await elevateOnTerminal(machine({ "id -u": 1 }), signal)).toEqual({ sudo: "sudo --", ahead: "" });
});
