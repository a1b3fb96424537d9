import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Home, openHome } from "./shared-fixture.ts";

// Commands of their own, on a computer that may be busy.
setDefaultTimeout(60_000);

let home: Home;
beforeAll(async () => {
  home = await openHome(["AllowAgentForwarding yes"]);
});
afterAll(() => home?.[Symbol.asyncDispose]());

/** A command line on a terminal of its own, as a person has it. */
function onTerminal(line: string, env: Readonly<Record<string, string>> = {}) {
  let seen = "";
  let look = () => {};
  const child = Bun.spawn(["bash", "--norc", "-c", line, "-", ...home.command], {
    cwd: home.home,
    env: { ...home.env, TERM: "vt220", FLAGS: home.hostFlags.join(" "), ...env },
    terminal: {
      cols: 91,
      rows: 33,
      data: (_terminal, bytes) => {
        seen += new TextDecoder().decode(bytes);
        look();
      },
    },
    timeout: 20_000,
  });
  return {
    child,
    get seen() {
      return seen;
    },
    type: (text: string) => child.terminal?.write(text),
    resize(cols: number, rows: number) {
      child.terminal?.resize(cols, rows);
      process.kill(-child.pid, "SIGWINCH");
    },
    shows: (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        look = () => pattern.test(seen) && resolve();
        look();
        child.exited.then(() => setTimeout(() => reject(new Error(`it only showed ${JSON.stringify(seen)}`)), 50));
      }),
  };
}

test("a shell has a terminal of our size and kind, follows it, and gives its exit code", async () => {
  const shell = onTerminal('"$@" ssh $FLAGS; echo "[$?]"');
  await shell.shows(/[#$] $/);
  shell.type("PS1='ready> '\r");
  await shell.shows(/ready> $/);
  shell.type("stty size; echo $TERM; tty\r");
  await shell.shows(/33 91\r*\nvt220\r*\n\/dev\//);
  shell.resize(122, 44);
  shell.type("until stty size | grep '44 12''2'; do sleep 0.1; done\r");
  await shell.shows(/44 122/);
  shell.type("echo be''gun; exec 3>&1; sh -c 'echo in >&3; exec sleep 1000'\r");
  await shell.shows(/begun[\s\S]*\nin/);
  shell.type("\x03");
  await shell.shows(/\^C/);
  shell.type("exit 7\r");
  await shell.shows(/\[7\]/);
  expect(await shell.child.exited).toBe(0);
});

test("~. cuts the connection at once, and the terminal is as it was", async () => {
  const shell = onTerminal('stty -a > before; "$@" ssh $FLAGS; echo "[$?]"; stty -a | diff before - && echo same');
  await shell.shows(/[#$] $/);
  shell.type("PS1='ready> '\r");
  await shell.shows(/ready> $/);
  shell.type("sleep 1000\r");
  await Bun.sleep(300);
  shell.type("\r~?");
  await shell.shows(/escape sequences/);
  shell.type("~.");
  await shell.shows(/disconnected[\s\S]*\[255\][\s\S]*same/);
});

test("a command has our terminal too, alone and over a shared session", async () => {
  for (const flags of ["", "--no-share", ""]) {
    const shell = onTerminal(
      `stty -a > before; "$@" exec $FLAGS ${flags} -- 'stty size; tty; read -r line; echo "got $line"; exit 4'; echo "[$?]"; stty -a | diff before - && echo same`,
    );
    await shell.shows(/33 91\r*\n\/dev\//);
    shell.type("hello\r");
    await shell.shows(/got hello\r*\n[\s\S]*\[4\]\r*\nsame/);
  }
});

test("a killed background process gives the terminal back", async () => {
  const shell = onTerminal(
    `stty -a > before; "$@" exec $FLAGS -- 'echo begun; cat'; echo "[$?]"; stty -a | diff before - && echo same`,
  );
  await shell.shows(/begun/);
  process.kill(home.background() ?? 0, "SIGKILL");
  await shell.shows(/the background process ended[\s\S]*\[255\][\s\S]*same/);
});

test("the agent goes along when it is asked for, and never else", async () => {
  const line = `eval $(ssh-agent -a sock) >/dev/null; ssh-add -q $KEY
    "$@" ssh $FLAGS -- 'echo "none: $SSH_AUTH_SOCK|"'
    "$@" ssh $FLAGS -A -- 'echo "agent: $(ssh-add -l)|"'
    "$@" exec $FLAGS -- 'echo "none: $SSH_AUTH_SOCK|"'; ssh-agent -k >/dev/null; echo over`;
  const shell = onTerminal(line, { KEY: home.sshd.privateKeyPath });
  await shell.shows(/none: \|[\s\S]*agent: 256 SHA256:[\s\S]*none: \|[\s\S]*over/);
});

test("the system's ssh is told everything it needs", async () => {
  const shell = onTerminal('"$@" ssh $FLAGS --openssh -- "tty; echo \\$TERM; exit 5"; echo "[$?]"');
  await shell.shows(/\/dev\/\S+\r*\nvt220\r*\n[\s\S]*\[5\]/);
  const { code, stdout } = await home.gpu(["ssh", ...home.hostFlags, "--openssh", "--", "cat; exit 6"], {
    stdin: "in",
  });
  expect([code, stdout]).toEqual([6, "in"]);
});

test("a shell without a terminal says what to type", async () => {
  expect(await home.gpu(["ssh", ...home.hostFlags])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("gpu ssh -- <command>"),
  });
});
