import { afterAll, beforeAll, expect, test } from "bun:test";
import { openServer } from "./openssh.ts";

let server: Awaited<ReturnType<typeof openServer>>;
beforeAll(async () => {
  server = await openServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** The ssh client on a terminal of its own, as a person has it. */
function openTerminal(args: readonly string[], size: { cols: number; rows: number }) {
  let seen = "";
  let look = () => {};
  const child = Bun.spawn(["ssh", "-F", server.config, "-t", "machine", ...args], {
    terminal: {
      ...size,
      data: (_terminal, bytes) => {
        seen += new TextDecoder().decode(bytes);
        look();
      },
    },
    timeout: 10_000,
  });
  return {
    child,
    type: (text: string) => child.terminal?.write(text),
    resize: (cols: number, rows: number) => {
      child.terminal?.resize(cols, rows);
      child.kill("SIGWINCH");
    },
    /** Resolves once the pattern was seen. */
    shows: (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        look = () => pattern.test(seen) && resolve();
        look();
      }),
  };
}

test("a terminal has the client's size, and follows it", async () => {
  const terminal = openTerminal([
    "trap 'stty size; exit 4' WINCH; stty size; tty; echo $TERM; while :; do sleep 0.05; done",
  ], { cols: 91, rows: 33 });
  await terminal.shows(/33 91\r\n\/dev\/[\s\S]*\r\n\S+\r\n/);
  terminal.resize(122, 44);
  await terminal.shows(/44 122/);
  expect(await terminal.child.exited).toBe(4);
});

test("the shell has job control, and Ctrl-C reaches what it runs", async () => {
  const terminal = openTerminal([], { cols: 80, rows: 24 });
  await terminal.shows(/[$#] /);
  terminal.type("set -o | grep monitor\r");
  await terminal.shows(/monitor\s+on/);
  terminal.type("bash -c \"echo wait''ing; sleep 60\"\r");
  await terminal.shows(/waiting/);
  terminal.type("\x03");
  terminal.type("echo interrupted: $?; exit 6\r");
  await terminal.shows(/interrupted: 130/);
  expect(await terminal.child.exited).toBe(6);
});

test("a command in a terminal has its exit code, without a terminal at the client too", async () => {
  const { code, stdout } = await server.ssh(["-tt", "machine", "[ -t 0 ] && [ -t 1 ] && echo terminal; exit 9"]);
  expect({ code, stdout }).toEqual({ code: 9, stdout: "terminal\r\n" });
});

test("output that nobody reads is held, not gathered, and none of it is lost", async () => {
  const size = 40_000_000;
  const child = Bun.spawn(["ssh", "-F", server.config, "-tt", "machine", `head -c ${size} /dev/zero | tr '\\0' x`], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const text = await new Response(child.stdout).text();
  expect(text.length).toBe(size);
});
