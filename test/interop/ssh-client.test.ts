import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { connect, type ConnectOptions, type ExecOptions, type Session, SshError } from "../../src/ssh/session.ts";
import { freePort, makeKey, realWorld, type Sshd, startSshd } from "./sshd.ts";

let sshd: Sshd;
let session: Session;
beforeAll(async () => {
  sshd = await startSshd();
  session = await open();
});
afterAll(async () => {
  await session?.[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
});

function open(options: Partial<ConnectOptions> = {}): Promise<Session> {
  const { address, privateKey, hostKey } = sshd;
  return connect({ world: realWorld, address, privateKey, hostKey, timeoutMs: 5000, ...options });
}

async function capture(command: string, options: ExecOptions = {}) {
  let stdout = "";
  let stderr = "";
  const result = await session.exec(command, {
    onStdout: (chunk) => void (stdout += Buffer.from(chunk).toString()),
    onStderr: (chunk) => void (stderr += Buffer.from(chunk).toString()),
    ...options,
  });
  return { ...result, stdout, stderr };
}

async function failureOf(work: Promise<unknown>): Promise<SshError> {
  const error = await work.then(() => new Error("it did not fail"), (error) => error);
  expect(error).toBeInstanceOf(SshError);
  return error;
}

describe("exec", () => {
  test("separates stdout, stderr and the exit code", async () => {
    expect(await capture("echo out; echo err >&2; exit 42")).toEqual({
      exitCode: 42,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  test("names the signal that ended the command", async () => {
    expect(await capture("kill -KILL $$")).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
  });

  test("without stdin the command reads end of file", async () => {
    expect(await capture("cat; echo over")).toMatchObject({ exitCode: 0, stdout: "over\n" });
  });

  test("echoes stdin, as text, bytes and as it comes", async () => {
    const bytes = randomBytes(3_000_000);
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    }
    expect((await capture("cat", { stdin: "hé" })).stdout).toBe("hé");
    for (const stdin of [bytes, chunks()]) {
      const hash = createHash("sha256");
      const { exitCode } = await session.exec("cat", { stdin, onStdout: (chunk) => void hash.update(chunk) });
      expect(exitCode).toBe(0);
      expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });

  test("ends with the command, though stdin never does", async () => {
    const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<Uint8Array>>(() => {}) }) };
    expect((await session.exec("exit 3", { stdin: never })).exitCode).toBe(3);
    async function* endless() {
      for (;;) yield new Uint8Array(65536);
    }
    expect((await session.exec("exit 4", { stdin: endless() })).exitCode).toBe(4);
  });

  test("passes the environment without showing it in the list of processes", async () => {
    const result = await capture(
      `printf '%s|' "$ODD"; cat; tr '\\0' ' ' < /proc/$PPID/cmdline; tr '\\0' ' ' < /proc/$$/cmdline`,
      {
        environment: { ODD: `it's "$HOME" \\ \n x` },
        stdin: "rest",
      },
    );
    expect(result.stdout).toStartWith(`it's "$HOME" \\ \n x|rest`);
    expect(result.stdout.slice(20)).not.toContain("it's");
    expect(session.exec("true", { environment: { "A;B": "" } })).rejects.toThrow("is not a name");
  });

  test("has a terminal of the size that is asked for, and resizes it", async () => {
    let resize: (size: { columns: number; rows: number }) => void = () => {};
    const isReady = Promise.withResolvers<void>();
    let stdout = "";
    const result = await capture("stty size; echo $TERM; read go; stty size", {
      pty: { columns: 101, rows: 33, term: "xterm" },
      onResize: (listener) => {
        resize = listener;
        return { [Symbol.dispose]() {} };
      },
      stdin: (async function* () {
        await isReady.promise;
        resize({ columns: 55, rows: 22 });
        yield Buffer.from("go\n");
      })(),
      onStdout: (chunk) => {
        stdout += Buffer.from(chunk).toString();
        if (stdout.includes("xterm")) isReady.resolve();
      },
    });
    expect(result.exitCode).toBe(0);
    expect(stdout.split(/\r?\n/)).toEqual(["33 101", "xterm", "go", "22 55", ""]);
  });

  test("half a gigabyte of output is never held at once, behind a slow sink", async () => {
    const before = process.memoryUsage().rss;
    let peak = 0;
    let bytes = 0;
    let calls = 0;
    await session.exec("head -c 500000000 /dev/zero; head -c 10000000 /dev/zero >&2", {
      onStdout: async (chunk) => {
        bytes += chunk.length;
        if (++calls % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
        // What is only garbage says nothing about what is held.
        if (calls % 1024 === 0) Bun.gc(true);
        peak = Math.max(peak, process.memoryUsage().rss);
      },
      onStderr: (chunk) => void (bytes += chunk.length),
    });
    expect(bytes).toBe(510_000_000);
    expect(peak - before).toBeLessThan(400_000_000);
  });

  test("a sink that stops holds the remote back", async () => {
    const go = Promise.withResolvers<void>();
    const progress = join(sshd.folder, "progress");
    const running = session.exec(`for i in $(seq 1 100); do head -c 1000000 /dev/zero; echo $i > ${progress}; done`, {
      onStdout: () => go.promise,
    });
    let last = "";
    for (;;) {
      await Bun.sleep(60);
      const now = existsSync(progress) ? readFileSync(progress, "utf8") : "";
      if (now && now === last) break;
      last = now;
    }
    expect(Number(last)).toBeLessThan(20);
    go.resolve();
    expect((await running).exitCode).toBe(0);
  });

  test("50 at once on one session, more than the server allows", async () => {
    const results = await Promise.all(Array.from({ length: 50 }, (_, i) => capture(`echo ${i}; exit ${i}`)));
    expect(results.map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual(
      Array.from({ length: 50 }, (_, i) => [i, `${i}\n`]),
    );
  });

  test("an abort ends the remote command", async () => {
    const mark = join(sshd.folder, "aborted");
    const stop = new AbortController();
    const running = session.exec(`trap 'echo term > ${mark}; exit' TERM; echo ready; while :; do sleep 0.05; done`, {
      signal: stop.signal,
      onStdout: () => stop.abort(new Error("enough")),
    });
    await expect(running).rejects.toThrow("enough");
    expect(readFileSync(mark, "utf8")).toBe("term\n");
    expect(session.exec("true", { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });

  test("an abort ends also what still waits for a channel", async () => {
    const stop = new AbortController();
    const others = Array.from({ length: 10 }, () => session.exec("sleep 0.3"));
    const last = session.exec("echo never", { signal: stop.signal, onStdout: () => expect.unreachable() });
    last.catch(() => {});
    await session.latency();
    stop.abort(new Error("enough"));
    await expect(last).rejects.toThrow("enough");
    await Promise.all(others);
  });

  test("an abort ends also what does not want to", async () => {
    const stop = new AbortController();
    const pid = Promise.withResolvers<string>();
    const running = session.exec(`trap '' TERM; echo $$; while :; do sleep 0.05; done`, {
      signal: stop.signal,
      graceMs: 100,
      onStdout: (chunk) => pid.resolve(Buffer.from(chunk).toString().trim()),
    });
    running.catch(() => {});
    const folder = `/proc/${await pid.promise}`;
    expect(existsSync(folder)).toBe(true);
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    while (existsSync(folder)) await Bun.sleep(5);
  });

  test("a sink that throws ends the command and is what is thrown", async () => {
    const running = session.exec("yes", {
      onStdout: () => {
        throw new Error("disk full");
      },
    });
    await expect(running).rejects.toThrow("disk full");
  });

  test("a session that is cut rejects, also when the exit status was not the last thing missing", async () => {
    const own = await open();
    const stdin = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<Uint8Array>>(() => {}) }) };
    const running = own.exec("echo begin; cat", { stdin, onStdout: () => sshd.dropConnections() });
    const error = await failureOf(running);
    expect(error.reason).toBe("lost");
    expect(error.message).toContain("was lost");
    expect(await own.closed).toBeInstanceOf(SshError);
    expect((await failureOf(own.exec("true"))).reason).toBe("lost");
    expect((await failureOf(own.latency())).reason).toBe("lost");
    session = await open();
  });
});

describe("connect", () => {
  test("a changed host key is refused and both fingerprints are shown", async () => {
    makeKey(join(sshd.folder, "other"));
    const hostKey = readFileSync(join(sshd.folder, "other.pub"), "utf8");
    const error = await failureOf(open({ hostKey }));
    expect(error.reason).toBe("host-key");
    const shown = Bun.spawnSync(["ssh-keygen", "-lf", join(sshd.folder, "host.pub")]).stdout.toString().split(" ")[1];
    const expected =
      Bun.spawnSync(["ssh-keygen", "-lf", join(sshd.folder, "other.pub")]).stdout.toString().split(" ")[1];
    expect(error.message).toContain(`expected ${expected}, got ${shown}`);
    expect(error.hint).toBeDefined();
  });

  test("a wrong key is not let in", async () => {
    makeKey(join(sshd.folder, "wrong"));
    const error = await failureOf(open({ privateKey: readFileSync(join(sshd.folder, "wrong"), "utf8") }));
    expect([error.reason, error.message]).toEqual(["login", expect.stringContaining("the key is not accepted")]);
  });

  test("a key that cannot be read is not the server's fault", async () => {
    await expect(open({ privateKey: "no key" })).rejects.toThrow("the private key cannot be read");
    await expect(open({ hostKey: "no key" })).rejects.toThrow("is not a public key");
  });

  test("a port where nobody listens is refused", async () => {
    const address = { ...sshd.address, port: await freePort() };
    expect((await failureOf(open({ address }))).reason).toBe("refused");
  });

  test("a server that says nothing is given up", async () => {
    await using silent = await serve(() => {});
    const error = await failureOf(open({ address: { ...sshd.address, port: silent.port }, timeoutMs: 50 }));
    expect([error.reason, error.message]).toEqual(["timeout", expect.stringContaining("within 0.05 s")]);
  });

  test("what is not SSH is said to be that", async () => {
    await using http = await serve((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const error = await failureOf(open({ address: { ...sshd.address, port: http.port } }));
    expect([error.reason, error.hint]).toEqual(["closed", "is that an SSH server?"]);
    await using hangup = await serve((socket) => socket.destroy());
    expect((await failureOf(open({ address: { ...sshd.address, port: hangup.port } }))).reason).toBe("closed");
  });

  test("a server that only knows chacha20 is told apart, with the way around", async () => {
    await using odd = await startSshd(["Ciphers chacha20-poly1305@openssh.com"]);
    const { address, privateKey, hostKey } = odd;
    const error = await failureOf(open({ address, privateKey, hostKey }));
    expect(error.reason).toBe("algorithms");
    expect(error.message).toContain("no matching cipher");
    expect(error.hint).toContain(`ssh -p ${address.port}`);
  });

  test("an abort is what is thrown", async () => {
    await using silent = await serve(() => {});
    const address = { ...sshd.address, port: silent.port };
    await expect(open({ address, signal: AbortSignal.timeout(20) })).rejects.toThrow("timed out");
  });

  test("a session closed from here ends without an error", async () => {
    const own = await open();
    expect(await own.latency()).toBeLessThan(1000);
    await own[Symbol.asyncDispose]();
    expect(await own.closed).toBeUndefined();
  });
});

describe("files", () => {
  test("go up and come down unchanged, with their permissions", async () => {
    const at = (name: string) => join(sshd.folder, name);
    for (const size of [0, 1, 32768, 32769, 20_000_000]) {
      const bytes = randomBytes(size);
      writeFileSync(at("local"), bytes);
      chmodSync(at("local"), 0o755);
      await session.upload(at("local"), at("remote"));
      await session.download(at("remote"), at("back"));
      expect(Buffer.compare(readFileSync(at("remote")), bytes)).toBe(0);
      expect(Buffer.compare(readFileSync(at("back")), bytes)).toBe(0);
      expect(statSync(at("back")).mode & 0o777).toBe(0o755);
    }
  });

  test("errors name the file, and nothing half is left here", async () => {
    const target = join(sshd.folder, "nothing");
    await expect(session.download("/does/not/exist", target)).rejects.toThrow(
      "reading `/does/not/exist` on the remote: there is no such file",
    );
    expect(existsSync(target)).toBe(false);
    await expect(session.upload(join(sshd.folder, "absent"), "/tmp/x")).rejects.toThrow("cannot be opened");
    await expect(session.upload(join(sshd.folder, "config"), "/does/not/exist")).rejects.toThrow(
      "writing `/does/not/exist`",
    );
  });
});

test("a stream reaches a port on the remote; one that nobody serves is an error", async () => {
  await using server = await serve((socket) => socket.on("end", () => socket.end("bye")));
  const stream = await session.openStream("127.0.0.1", server.port);
  stream.end("hello");
  expect((await stream.toArray()).join("")).toBe("bye");
  const port = await freePort();
  await expect(session.openStream("127.0.0.1", port)).rejects.toThrow(`\`127.0.0.1:${port}\` cannot be reached from`);
});

async function serve(onConnection: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.resume();
    onConnection(socket);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
