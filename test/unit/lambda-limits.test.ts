import { afterAll, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { LaunchRefused } from "../../src/provider/provider.ts";
import { lambdaProvider } from "../../src/provider/lambda/lambda.ts";
import { realClock } from "../../src/outside.ts";

import { apiKey, instance, lambdaFixture, launchRequest, rateLimit, removeFolders } from "./lambda-fixture.ts";

afterAll(removeFolders);
const launchPath = "POST /instance-operations/launch";

test("one request a second and one launch in twelve, over all processes", async () => {
  const { cloud, another, provider, progress } = lambdaFixture();
  await Promise.all([provider.list(), another().list(), another().offers()]);
  const seconds = cloud.seen.map(({ at }) => at);
  expect(seconds.slice(1).every((at, index) => at - (seconds[index] ?? 0) >= 1000)).toBe(true);
  await provider.launch(launchRequest());
  await another().launch(launchRequest());
  const launches = cloud.seen.filter(({ method, path }) => `${method} ${path}` === launchPath).map(({ at }) => at);
  expect((launches[1] ?? 0) - (launches[0] ?? 0)).toBeGreaterThanOrEqual(12_000);
  expect(progress).toContain("Lambda Cloud takes one launch in 12 seconds; its turn is in 11 s");
});

test("accounts and addresses are counted apart, and an emulator on this computer not at all", async () => {
  const { clock, another } = lambdaFixture();
  const start = clock.now();
  await another().list();
  await another({ url: "https://other.example" }).list();
  await another({}, { LAMBDA_API_KEY: "other" }).list().catch(() => {});
  const emulated = another({ url: "http://localhost:7" });
  for (let time = 0; time < 5; time++) await emulated.list();
  expect(clock.now()).toBe(start);
  expect(emulated.facts.pollMs).toBe(250);
  expect(another().facts.pollMs).toBe(5_000);
});

test("after Cloudflare's 429 everybody waits ten seconds, then twenty, then forty", async () => {
  const { cloud, another, provider, clock, progress } = lambdaFixture();
  const start = clock.now();
  cloud.trouble("GET /instances", rateLimit(), rateLimit(), rateLimit());
  const listed = provider.list();
  while (progress.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([listed, another().offers()]);
  const at = (path: string) => cloud.seen.filter((seen) => seen.path === path).map((seen) => seen.at - start);
  const [first, second = 0, third = 0, fourth = 0] = at("/instances");
  expect([first, second - 0 >= 10_000, third - second >= 20_000, fourth - third >= 40_000]).toEqual([
    0,
    true,
    true,
    true,
  ]);
  expect(at("/instance-types")[0]).toBeGreaterThanOrEqual(10_000);
});

test("a launch that the rate limit stops is not repeated, and holds back the next of any process", async () => {
  const { cloud, another, provider } = lambdaFixture();
  cloud.trouble(launchPath, rateLimit());
  const error = await provider.launch(launchRequest()).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(LaunchRefused);
  expect(error).toMatchObject({
    reason: "capacity",
    message: "too many requests in a short time (429, request 8f00-FRA)",
  });
  expect(cloud.instances).toEqual([]);
  await another().launch(launchRequest());
  const launches = cloud.seen.filter(({ method, path }) => `${method} ${path}` === launchPath).map(({ at }) => at);
  expect(launches).toHaveLength(2);
  expect((launches[1] ?? 0) - (launches[0] ?? 0)).toBeGreaterThanOrEqual(12_000);
});

test("Retry-After wins", async () => {
  const { cloud, provider } = lambdaFixture();
  cloud.trouble("GET /instances", new Response("", { status: 429, headers: { "retry-after": "3" } }));
  await provider.list();
  const [first = 0, second = 0] = cloud.seen.map(({ at }) => at);
  expect(second - first).toBe(3000);
});

test("a 429 on the way to a launch is waited out: to the key that is added, and no second launch", async () => {
  const { cloud, provider, clock } = lambdaFixture();
  const start = clock.now();
  cloud.trouble("POST /ssh-keys", rateLimit(), rateLimit());
  await provider.launch(launchRequest());
  expect(cloud.paths()).toEqual(["GET /ssh-keys", ...Array(3).fill("POST /ssh-keys"), launchPath]);
  expect(cloud.keys).toHaveLength(1);
  expect(clock.now() - start).toBeGreaterThanOrEqual(30_000);
});

test("an emulator that says that it limits is asked no faster, by any process, for a minute", async () => {
  const emulated = { url: "http://localhost:7" };
  const { cloud, another, clock } = lambdaFixture(emulated);
  const marked = () => new Response("error code: 1015", { status: 429, headers: { "ratelimit-policy": "r;q=1;w=1" } });
  const gaps = async (ask: () => Promise<unknown>) => {
    const from = cloud.seen.length;
    for (let time = 0; time < 3; time++) await ask();
    return cloud.seen.slice(from + 1).map(({ at }, index) => Math.floor(at - (cloud.seen[from + index]?.at ?? 0)));
  };
  // One by chance, without the header, slows nothing down but itself.
  cloud.trouble("GET /instances", rateLimit());
  expect(await gaps(() => another().list())).toEqual([501, 0, 0]);
  cloud.trouble("GET /instances", marked());
  expect(await gaps(() => another().list())).toEqual([1050, 1050, 1050]);
  await another().launch(launchRequest());
  await another().launch(launchRequest({ token: "1".repeat(20) }));
  const launches = cloud.seen.filter(({ path }) => path.endsWith("launch")).map(({ at }) => at);
  expect((launches[1] ?? 0) - (launches[0] ?? 0)).toBeGreaterThanOrEqual(12_000);
  await clock.sleep(60_000);
  expect(await gaps(() => another().list())).toEqual([0, 0]);
});

test("a launch whose turn has not come is not sent once nobody wants it", async () => {
  const wanted = new AbortController();
  const { cloud, provider } = lambdaFixture({
    onProgress: (text) => text.includes("launch") && wanted.abort(new Error("Ctrl-C")),
  });
  await provider.launch(launchRequest());
  const error = await provider.launch(launchRequest({ wanted: wanted.signal })).catch((error: unknown) => error);
  expect(error).toMatchObject({ name: "LaunchRefused", message: "it was not sent: Ctrl-C" });
  expect(cloud.paths().filter((path) => path === launchPath)).toHaveLength(1);
});

test("reads are tried four times over a web page that says the server is away", async () => {
  const { cloud, provider } = lambdaFixture();
  const away = () => new Response("<html>522", { status: 522, headers: { "content-type": "text/html" } });
  cloud.instances = [instance()];
  cloud.trouble("GET /instances", away(), away(), away());
  expect(await provider.list()).toHaveLength(1);
  cloud.trouble("GET /instances", away(), away(), away(), away());
  expect(await provider.list().catch((error: unknown) => error)).toMatchObject({ status: 522 });
});

test("a launch over a real connection that is cut is there once, and its outcome is not known", async () => {
  const requests: string[] = [];
  let connections = 0;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const connection = ++connections;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      const [line = ""] = bytes.toString().split("\r\n");
      if (!/^(GET|POST) /.test(line)) return;
      requests.push(`${connection} ${line.split(" ").slice(0, 2).join(" ")}`);
      if (line.includes("launch")) return socket.destroy();
      const body = JSON.stringify({ data: [{ id: "k", name: "laptop", public_key: launchRequest().authorizedKey }] });
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const provider = lambdaProvider({
    env: { LAMBDA_API_KEY: apiKey, LAMBDA_API_URL: `http://127.0.0.1:${port}` },
    clock: realClock,
    folders: { config: "/nowhere", state: "/nowhere", cache: "/nowhere" },
    random: (count) => new Uint8Array(count),
    fetch: (url, init) => fetch(url, init),
  }, {});
  try {
    await provider.sshKeys?.list();
    const error = await provider.launch(launchRequest()).catch((error: unknown) => error);
    expect(error).not.toBeInstanceOf(LaunchRefused);
    expect(requests).toEqual([
      "1 GET /api/v1/ssh-keys",
      "1 GET /api/v1/ssh-keys",
      "2 POST /api/v1/instance-operations/launch",
    ]);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
  expect(await provider.launch(launchRequest()).catch((error: unknown) => error)).toMatchObject({ reason: "trouble" });
});
