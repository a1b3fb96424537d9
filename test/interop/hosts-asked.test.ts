// What a person types to get in: answers to the questions of a server, and a passphrase on a real terminal.
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import ssh2 from "ssh2";
import { keygen, me, person, say } from "./hosts-fixture.ts";
import { openHome } from "./shared-fixture.ts";

// Processes are started, and a busy computer takes its time.
setDefaultTimeout(30_000);

interface Round {
  readonly name: string;
  readonly instructions: string;
  readonly prompts: readonly { readonly prompt: string; readonly echo: boolean }[];
  readonly answers: readonly string[];
}

/** A server that takes a key first, where it is told one, and then asks: a password, then a code that changes. */
async function startAsking(rounds: readonly Round[], { afterKey = false } = {}) {
  const folder = person();
  const path = join(folder.home, "host");
  keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path);
  let tries = 0;
  const server = new ssh2.Server({ hostKeys: [readFileSync(path)] }, (client) => {
    let hasKey = !afterKey;
    client.on("error", () => {}).on("authentication", (login) => {
      if (login.method === "publickey" && afterKey) {
        hasKey = true;
        return login.signature ? login.reject(["keyboard-interactive"], true) : login.accept();
      }
      if (login.method !== "keyboard-interactive" || !hasKey) {
        return login.reject([afterKey && !hasKey ? "publickey" : "keyboard-interactive"]);
      }
      tries++;
      const ask = ([round, ...rest]: readonly Round[]): void => {
        if (round === undefined) return login.accept();
        login.prompt([...round.prompts], round.name, round.instructions, (answers) => {
          if (Bun.deepEquals(answers, [...round.answers])) ask(rest);
          else login.reject(["keyboard-interactive"]);
        });
      };
      ask(rounds);
    }).on("session", (accept) => {
      accept().on("exec", (take) => {
        const channel = take();
        channel.write("in\n");
        channel.exit(0);
        channel.end();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `${me}@127.0.0.1:${port}`,
    known: `[127.0.0.1]:${port} ${readFileSync(`${path}.pub`, "utf8")}`,
    tries: () => tries,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      await folder[Symbol.asyncDispose]();
    },
  };
}

const rounds: readonly Round[] = [
  {
    ...{ name: "The lab", instructions: "Staff\x1b[2J only" },
    prompts: [{ prompt: "Password: ", echo: false }],
    answers: ["secret"],
  },
  {
    ...{ name: "", instructions: "" },
    prompts: [{ prompt: "Device: ", echo: true }, { prompt: "One-time code: ", echo: false }],
    answers: ["phone", "123456"],
  },
  { name: "", instructions: "Welcome", prompts: [], answers: [] },
];

test("a server's questions are put one after the other, word for word, and again when one was answered wrongly", async () => {
  await using server = await startAsking(rounds);
  await using user = person();
  user.write("known_hosts", server.known);
  const questions: [string, boolean][] = [];
  const answers = ["secret", "phone", "wrong", "secret", "phone", "123456"];
  const askPerson = ({ text, isSecret }: { text: string; isSecret: boolean }) => {
    questions.push([text, isSecret]);
    return Promise.resolve(answers.shift() ?? "none left");
  };
  expect(await say(user.connect({ hosts: [server.host] }, { askPerson }), "true")).toBe("in\n");
  const at = server.host.replace(/:\d+$/, "");
  const once = [
    [expect.stringMatching(/^.*: The lab Staff.* only Password:$/), true],
    [`${at}: Device:`, false],
    [`${at}: One-time code:`, true],
  ];
  expect(questions).toEqual([...once, ...once] as [string, boolean][]);
  expect(JSON.stringify(questions)).not.toContain("\\u001b");
});

test("after three wrong answers it is refused", async () => {
  await using server = await startAsking(rounds);
  await using user = person();
  user.write("known_hosts", server.known);
  const error = await user.connect({ hosts: [server.host] }, { askPerson: () => Promise.resolve("wrong") })
    .then(() => expect.unreachable(), (error) => error);
  expect(error.message).toContain("is refused");
  expect(server.tries()).toBe(3);
});

test("behind a key that is half of what it takes", async () => {
  await using server = await startAsking(rounds.slice(1, 2), { afterKey: true });
  await using user = person();
  user.write("known_hosts", server.known);
  keygen("-q", "-t", "ed25519", "-N", "", "-f", join(user.home, "key"));
  const answers = ["phone", "123456"];
  const connecting = user.connect(
    { hosts: [server.host], identities: [join(user.home, "key")] },
    { askPerson: () => Promise.resolve(answers.shift() ?? "") },
  );
  expect(await say(connecting, "true")).toBe("in\n");
});

test("a passphrase is typed once on the terminal; the next command needs none while the connection is shared", async () => {
  await using home = await openHome();
  const path = join(home.home, "locked");
  writeFileSync(path, readFileSync(home.sshd.privateKeyPath), { mode: 0o600 });
  keygen("-q", "-p", "-P", "", "-N", "open sesame", "-f", path);
  const flags = ["exec", "--host", `${home.sshd.address.user}@127.0.0.1:${home.sshd.address.port}`, "-i", path];
  let screen = "";
  const child = Bun.spawn([...home.command, ...flags, "--", "echo typed"], {
    cwd: home.home,
    env: { ...home.env, TERM: "xterm" },
    terminal: {
      ...{ cols: 100, rows: 30 },
      data(terminal, data) {
        const before = screen;
        screen += new TextDecoder().decode(data);
        if (!before.includes("passphrase of") && screen.includes("passphrase of")) terminal.write("open sesame\r");
      },
    },
  });
  expect(await child.exited).toBe(0);
  child.terminal?.close();
  expect(screen).toContain("typed");
  expect(screen).not.toContain("sesame");
  // Nobody could be asked here.
  expect(await home.gpu([...flags, "--", "echo again"])).toEqual({ code: 0, stdout: "again\n", stderr: "" });
  expect((await home.gpu([...flags, "--no-share", "--", "echo again"])).code).toBe(255);
});
