import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LoginError } from "../../src/errors.ts";
import { findEnvelope } from "../../src/provider/lambda/wire.ts";
import { loadProvider, providerRegistry } from "../../src/provider/registry.ts";
import { LaunchRefused } from "../../src/provider/provider.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { data, lambdaFixture, launchRequest, rateLimit, refusal, removeFolders, system } from "./lambda-fixture.ts";

afterAll(removeFolders);
const local = { LAMBDA_API_URL: "http://127.0.0.1:4999" };
const launchPath = "POST /instance-operations/launch";

/** Every code of the OpenAPI document and of older ones, with what a launch makes of it. */
const codes = [
  [401, "global/invalid-api-key", "login"],
  [403, "global/account-inactive", "quota"],
  [403, "global/invalid-address", "quota"],
  [403, "global/forbidden", "login"],
  [400, "global/invalid-parameters", "request"],
  [400, "global/quota-exceeded", "quota"],
  [400, "global/duplicate", "request"],
  [400, "instance-operations/launch/insufficient-capacity", "capacity"],
  [400, "instance-operations/launch/file-system-in-wrong-region", "request"],
  [400, "instance-operations/launch/file-systems-not-supported", "request"],
  [400, "instance-operations/launch/a-code-of-tomorrow", "request"],
  [400, "global/object-does-not-exist", "request"],
  [404, "global/object-does-not-exist", "request"],
  [404, "global/not-found", "request"],
  [400, "filesystems/filesystem-in-use", "request"],
  [400, "firewall-rulesets/firewall-ruleset-in-use", "request"],
  [400, "ssh-keys/key-in-use", "request"],
  [409, "global/conflict", "request"],
  [429, "global/too-many-requests", "capacity"],
  [400, "constructor", "request"],
  // These prove nothing.
  [409, "global/internal-error", "unknown"],
  [400, "global/unknown", "unknown"],
  [400, "provider/internal-unavailable", "unknown"],
  [503, "provider/internal-unavailable", "unknown"],
  [500, "global/internal-error", "unknown"],
  [502, "instance-operations/launch/insufficient-capacity", "unknown"],
  [408, "global/timeout", "unknown"],
  [499, "global/timeout", "unknown"],
] as const;

async function launchError(answer: Response | Error): Promise<unknown> {
  const { cloud, provider } = lambdaFixture({}, local);
  cloud.trouble(launchPath, answer);
  const error = await provider.launch(launchRequest()).then(() => "launched", (error: unknown) => error);
  expect(cloud.paths().filter((path) => path === launchPath)).toHaveLength(1); // a launch is sent once, whatever comes
  return error;
}

const outcomeOf = (error: unknown) => error instanceof LaunchRefused ? error.reason : "unknown";

describe("what a launch's answer proves", () => {
  test.each(codes)("%i %s: %s", async (status, code, outcome) => {
    const error = await launchError(refusal(status, code, "The reason.", "Do this."));
    expect(outcomeOf(error)).toBe(outcome);
    const { message, hint } = error as LaunchRefused;
    expect(message).toContain(`The reason (${status} ${code}, request r-1)`);
    expect(hint).toContain("Do this");
  });

  test.each([
    ["Cloudflare's rate limit, as text", rateLimit(), "capacity"],
    ["the same as a web page", new Response("<html>Error 1015", { status: 429 }), "capacity"],
    ["a 429 of nobody knows whom", new Response("slow down", { status: 429 }), "unknown"],
    ["a connection refused", system("ECONNREFUSED"), "trouble"],
    ["the same in Bun's older words", system("ConnectionRefused"), "trouble"],
    ["a name that is not there", system("ENOTFOUND"), "trouble"],
    ["a route lost, perhaps in the middle", system("EHOSTUNREACH"), "unknown"],
    ["a network that is away, perhaps since", system("ENETUNREACH"), "unknown"],
    ["a cut connection", system("ECONNRESET"), "unknown"],
    ["a message that speaks of DNS", new Error("dns, maybe"), "unknown"],
    ["a broken handshake", system("CERT_HAS_EXPIRED"), "unknown"],
    ["a 400 without Lambda's envelope", new Response("Bad Request", { status: 400 }), "unknown"],
    ["a 401 without it", new Response("", { status: 401 }), "unknown"],
    ["a 403 web page", new Response("<html>", { status: 403 }), "unknown"],
    ["an error without a code", Response.json({ error: { message: "no" } }, { status: 400 }), "unknown"],
    ["a 500", new Response("oops", { status: 500 }), "unknown"],
    ["a 502 web page", new Response("<html>502", { status: 502 }), "unknown"],
    ["a 504", new Response("", { status: 504 }), "unknown"],
    ["a redirect", new Response("", { status: 307, headers: { location: "https://example.com" } }), "unknown"],
    ["a 200 without JSON", new Response("ok"), "unknown"],
    ["a 200 with a web page", new Response("<html>"), "unknown"],
    ["a 200 with an error in it", Response.json({ error: { code: "global/invalid-parameters" } }), "unknown"],
    ["a 200 without ids", data({ instance_ids: [] }), "unknown"],
    ["a 200 that is cut", new Response('{"data":{"instance_ids":["i'), "unknown"],
  ])("%s", async (_, answer, outcome) => expect(outcomeOf(await launchError(answer))).toBe(outcome));

  test("what goes wrong before it is sent is a refusal, even where the same proves nothing afterwards", async () => {
    for (const answer of [refusal(500, "global/internal-error"), system("ECONNRESET")]) {
      const { cloud, provider } = lambdaFixture({}, local);
      cloud.trouble(
        "GET /ssh-keys",
        ...Array.from({ length: 4 }, () => answer instanceof Error ? answer : answer.clone()),
      );
      const error = await provider.launch(launchRequest()).catch((error: unknown) => error);
      expect(error).toMatchObject({ name: "LaunchRefused", message: expect.stringContaining("it was not sent") });
      expect(cloud.paths()).not.toContain(launchPath);
    }
    const { provider } = lambdaFixture({}, { ...local, LAMBDA_API_KEY: "" });
    expect(await provider.launch(launchRequest()).catch((error: unknown) => error)).toMatchObject({ reason: "login" });
  });
});

describe("what a person is told", () => {
  const listError = async (answer: Response) => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.trouble("GET /instances", ...Array.from({ length: 4 }, () => answer.clone()));
    return await provider.list().catch((error: unknown) => error);
  };

  test.each(codes)("%i %s keeps words, status, request id and suggestion", async (status, code) => {
    const error = await listError(refusal(status, code, "The reason.", "Do this."));
    expect(error).toMatchObject({
      message: `cannot list the instances: The reason (${status} ${code}, request r-1)`,
      hint: expect.stringContaining("Do this"),
    });
    if (status === 401) return expect(error).toBeInstanceOf(LoginError);
    expect(error).toMatchObject({ code, status, requestId: "r-1" });
  });

  test("a key that is not accepted, also by somebody in front of Lambda", async () => {
    expect(await listError(new Response("", { status: 401, headers: { "cf-ray": "8f00-FRA" } }))).toMatchObject({
      name: "LoginError",
      exitCode: 4,
      message: "cannot list the instances: the API key is not accepted (401, request 8f00-FRA)",
    });
  });

  test("nothing that steers a terminal, and no endless text", async () => {
    const error = await listError(refusal(400, "a\x1b[2J", `\x1b]0;x\x07${"long ".repeat(900)}`, "b\x9b"));
    const { message, hint } = error as LoginError;
    expect(`${message}${hint}`).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    expect(message.length).toBeLessThan(800);
  });

  test("an envelope is one with a code", () => {
    expect(findEnvelope("")).toBeUndefined();
    expect(findEnvelope('{"error":"no"}')).toBeUndefined();
    expect(findEnvelope('{"error":{"code":"x/y","message":7,"more":1}}')).toEqual({
      code: "x/y",
      message: "",
      suggestion: undefined,
    });
  });
});

describe("key and address", () => {
  const listError = async (env: Record<string, string>, url?: string) =>
    await lambdaFixture({ url }, env).provider.list().then(() => undefined, (error: unknown) => error);

  test("without a key the error says what to do, and nothing is asked", async () => {
    const { cloud, provider } = lambdaFixture({}, { ...local, LAMBDA_API_KEY: "" });
    const error = await provider.list().catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "LoginError", message: "there is no API key for Lambda Cloud" });
    expect((error as LoginError).hint).toContain("`gpu configure`");
    expect(cloud.seen).toEqual([]);
  });

  test("a key with a line break or a letter that no key has", async () =>
    expect(await listError({ ...local, LAMBDA_API_KEY: "a\nb" })).toMatchObject({ name: "LoginError" }));

  test.each([
    ["no address", "lambda"],
    ["a key in the address", "https://key:x@cloud.lambda.ai"],
    ["a query", "https://cloud.lambda.ai/?x=1"],
    ["another protocol", "ftp://cloud.lambda.ai"],
    ["unencrypted over the network", "http://cloud.lambda.ai"],
  ])("refuses %s", async (_, url) => expect(await listError({}, url)).toMatchObject({ name: "UsageError" }));

  test("the environment wins over the configuration, and a path is kept", async () => {
    const seen: string[] = [];
    const { cloud, another } = lambdaFixture();
    const fetch = cloud.fetch.bind(cloud);
    cloud.fetch = (url, init) => {
      seen.push(String(url));
      return fetch(new URL(new URL(url).pathname.replace("/mirror", ""), "http://x"), init);
    };
    await another({ url: "https://one.example/" }, {}).list();
    await another({ url: "https://one.example" }, { LAMBDA_API_URL: "http://127.0.0.1:5/mirror/" }).list();
    await another({}, {}).list();
    expect(seen).toEqual([
      "https://one.example/api/v1/instances",
      "http://127.0.0.1:5/mirror/api/v1/instances",
      "https://cloud.lambda.ai/api/v1/instances",
    ]);
  });

  test("the registry gives it the configuration and the key of the profile", async () => {
    const home = mkdtempSync(join(tmpdir(), "gpu-lambda-home-"));
    try {
      mkdirSync(join(home, "config"), { recursive: true });
      writeFileSync(
        join(home, "config/config.yaml"),
        "profile: work\nprofiles: { work: { provider: lambda } }\nproviders: { lambda: { url: https://one.example } }\n",
      );
      writeFileSync(
        join(home, "config/credentials.json"),
        JSON.stringify({ "lambda:work": { value: "work-key" }, lambda: { value: "shared-key" } }),
        { mode: 0o600 },
      );
      const asked: (string | null)[] = [];
      const world = ciWorld({
        home,
        env: {},
        fetch: async (url, init) => {
          asked.push(`${url} ${new Headers(init?.headers).get("authorization")}`);
          return data([]);
        },
      });
      await (await loadProvider(providerRegistry, "lambda", world)).list();
      await (await loadProvider(providerRegistry, "lambda", world, { profile: "other" })).list();
      expect(asked).toEqual([
        "https://one.example/api/v1/instances Bearer work-key",
        "https://one.example/api/v1/instances Bearer shared-key",
      ]);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});

test("a redirect is not followed, and the error says where to", async () => {
  const { cloud, provider } = lambdaFixture({}, local);
  cloud.trouble(
    "GET /instances",
    new Response("", { status: 301, headers: { location: "https://cloud.lambda.ai/x" } }),
  );
  expect(await provider.list().catch((error: unknown) => error)).toMatchObject({
    message: "Lambda Cloud at http://127.0.0.1:4999 answered 301 to /api/v1/instances",
    hint: "it points to `https://cloud.lambda.ai`; use that address if you trust it",
  });
  expect(cloud.seen).toHaveLength(1);
});
