import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openServer } from "./openssh.ts";

let server: Awaited<ReturnType<typeof openServer>>;
let echo: Server;
let service: Bun.Server<undefined>;
let echoPort: number;
let socketPath: string;
beforeAll(async () => {
  // Answers once its client has said all: works only where one direction can end before the other.
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
    socket.on("end", () => socket.end(Buffer.concat([Buffer.from("echo "), ...chunks])));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  echoPort = (echo.address() as AddressInfo).port;
  socketPath = join(tmpdir(), `gpu-ssh-service-${process.pid}.sock`);
  service = Bun.serve({ unix: socketPath, fetch: () => new Response("the service") });
  server = await openServer({ services: [{ host: "ci", port: 8000, to: { path: socketPath } }] });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  echo.close();
  await service.stop(true);
  rmSync(socketPath, { force: true });
});

/** Forwards with the real client, until disposed of; the local end is a Unix socket, so that no port is guessed. */
async function forward(kind: "-L" | "-R", target: string, local: string) {
  const child = Bun.spawn([
    "ssh",
    "-F",
    server.config,
    "-N",
    "-o",
    "ExitOnForwardFailure=yes",
    kind,
    `${local}:${target}`,
    "machine",
  ], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  // The file is there a moment before anybody listens on it.
  while (!(existsSync(local) && await answers(local)) && child.exitCode === null) await Bun.sleep(10);
  return {
    local,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false)).once("connect", () => socket.end());
  });
}

function talk(path: string, message: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ path, allowHalfOpen: true });
    socket.on("data", (chunk) => answer += chunk.toString());
    socket.on("error", reject);
    socket.on("end", () => {
      resolve(answer);
      socket.destroy();
    });
    socket.end(message);
  });
}

test("a port is forwarded, each direction to its own end", async () => {
  await using tunnel = await forward("-L", `127.0.0.1:${echoPort}`, join(server.folder, "l1"));
  expect(await talk(tunnel.local, "hello")).toBe("echo hello");
  const long = "x".repeat(5_000_000);
  expect(await talk(tunnel.local, long) === `echo ${long}`).toBe(true);
});

test("a service is forwarded by its name", async () => {
  await using tunnel = await forward("-L", "ci:8000", join(server.folder, "l2"));
  const answer = await fetch("http://ci/", { unix: tunnel.local });
  expect(await answer.text()).toBe("the service");
});

test("a Unix socket is forwarded", async () => {
  await using tunnel = await forward("-L", socketPath, join(server.folder, "l3"));
  expect(await (await fetch("http://any/", { unix: tunnel.local })).text()).toBe("the service");
});

test("a port where nobody listens is refused, and the connection lives on", async () => {
  await using tunnel = await forward("-L", "127.0.0.1:1", join(server.folder, "l4"));
  const refused = () => talk(tunnel.local, "hello").catch((error) => error.code);
  expect(["", "ECONNRESET"]).toContain(await refused());
  expect(["", "ECONNRESET"]).toContain(await refused());
  expect(server.log).toContain("forward to 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1");
});

test("many connections at once", async () => {
  await using tunnel = await forward("-L", `127.0.0.1:${echoPort}`, join(server.folder, "l5"));
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => talk(tunnel.local, `${index}`)));
  expect(answers).toEqual(Array.from({ length: 30 }, (_, index) => `echo ${index}`));
});

test("a port of the server is forwarded back", async () => {
  const child = Bun.spawn(["ssh", "-F", server.config, "-v", "-N", "-R", `0:127.0.0.1:${echoPort}`, "machine"], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  let said = "";
  for await (const chunk of child.stderr) {
    said += new TextDecoder().decode(chunk);
    if (/Allocated port (\d+)/.test(said)) break;
  }
  const port = Number(/Allocated port (\d+)/.exec(said)?.[1]);
  const answer = await new Promise<string>((resolve, reject) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    socket.on("data", (chunk) => text += chunk.toString()).on("end", () => resolve(text)).on("error", reject);
    socket.end("back");
  });
  expect(answer).toBe("echo back");
  child.kill();
  await child.exited;
});
