import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { HttpError } from "../../src/http/errors.ts";
import { readEvents, type ServerEvent } from "../../src/http/events.ts";
import { request, requestJson, type RequestOptions } from "../../src/http/request.ts";
import { present } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";

type Answer = Response | Error | (() => Promise<Response>);

/** A target whose answers come one after the other; the last one stays. */
function target(...answers: Answer[]) {
  const clock = new FakeClock({ mode: "manual" });
  const seen: { url: string; init: RequestInit | undefined }[] = [];
  const world = {
    clock,
    // Half of the largest pause, so that full jitter has one value.
    random: (count: number) => new Uint8Array(count).fill(0x80),
    async fetch(url: string | URL, init?: RequestInit): Promise<Response> {
      seen.push({ url: String(url), init });
      const answer = present(answers.length > 1 ? answers.shift() : answers[0]);
      if (answer instanceof Error) throw answer;
      return typeof answer === "function" ? await answer() : answer.clone();
    },
  };
  const to = { world, service: "the server", baseUrl: "https://example.test/api/", bearer: "key" };
  const ask = (options: Partial<RequestOptions> = {}) =>
    clock.run(request(to, { path: "/x", ...options }).then((answer) => answer, (error: unknown) => error));
  return { clock, seen, to, ask };
}

const system = (code: string, message = code) => Object.assign(new TypeError(message), { code });
const pauses = ({ pauses }: FakeClock) => pauses.filter((ms) => ms !== 30_000);

describe("a request", () => {
  test("carries the key and the query", async () => {
    const { seen, ask } = target(new Response("ok"));
    expect(await (await ask({ query: { a: "b c", none: undefined } }) as Response).text()).toBe("ok");
    expect(seen[0]?.url).toBe("https://example.test/api/x?a=b+c");
    expect(new Headers(present(seen[0]?.init).headers).get("authorization")).toBe("Bearer key");
  });

  test("is read four times, with doubling pauses and full jitter", async () => {
    const { clock, seen, ask } = target(new Response("busy", { status: 503 }));
    expect(await ask()).toMatchObject({ reason: "status", status: 503, body: "busy" });
    expect(seen).toHaveLength(4);
    expect(pauses(clock).map((ms) => Math.round(ms / 100))).toEqual([5, 10, 20]);
  });

  test("waits as long as Retry-After says, in seconds or until a date, but not for an hour", async () => {
    const { clock, ask } = target(
      new Response("", { status: 429, headers: { "retry-after": "7" } }),
      new Response("ok"),
    );
    expect(await ask()).toBeInstanceOf(Response);
    expect(pauses(clock)).toEqual([7000]);
    const late = target(new Response("", { status: 429, headers: { "retry-after": "3600" } }));
    expect(await late.ask()).toMatchObject({ status: 429 });
    expect(late.seen).toHaveLength(1);
  });

  test("that changes something is sent once", async () => {
    for (const answer of [new Response("", { status: 503 }), system("ECONNRESET")]) {
      const { seen, ask } = target(answer);
      expect(await ask({ method: "POST" })).toBeInstanceOf(HttpError);
      expect(seen).toHaveLength(1);
    }
  });

  test("that was refused for good is not repeated", async () => {
    const { seen, ask } = target(new Response("{}", { status: 404 }));
    expect(await ask()).toMatchObject({ status: 404 });
    expect(seen).toHaveLength(1);
  });

  test.each([
    ["refused", system("ECONNREFUSED"), "nothing answers at https://example.test: cannot reach the server"],
    [
      "dns",
      system("ENOTFOUND", "getaddrinfo ENOTFOUND"),
      "no computer is called `example.test`, so the server cannot be reached",
    ],
    [
      "tls",
      system("CERT_HAS_EXPIRED", "certificate has expired"),
      "the server at https://example.test cannot be trusted: certificate has expired",
    ],
    ["cut", system("ECONNRESET"), "the connection to the server at https://example.test was cut: ECONNRESET"],
    [
      "cut",
      system(
        "ECONNRESET",
        "It was closed. For more information, pass `verbose: true` in the second argument to fetch()",
      ),
      "the connection to the server at https://example.test was cut: It was closed.",
    ],
    [
      "proxy",
      system("ProxyConnectFailed"),
      "cannot reach the server at https://example.test through the proxy: ProxyConnectFailed",
    ],
    ["proxy", new Response("", { status: 407 }), "the proxy on the way to the server asks for a login"],
    [
      "html",
      new Response("<!DOCTYPE html><h1>502", { status: 502 }),
      "https://example.test answered 502 with a web page, not with data: this is not the server",
    ],
  ])("tells failures apart: %s", async (reason, answer, message) => {
    const error = await target(answer).ask({ method: "POST" });
    expect(error).toMatchObject({ reason, message });
  });

  test.each([
    [
      "EAI_AGAIN",
      "dns",
      "no name server says where `example.test` is, so the server cannot be reached",
      "check that this computer is connected",
    ],
    [
      "ENETUNREACH",
      "no-route",
      "there is no way from this computer to `example.test`, so the server cannot be reached",
      "a VPN or a proxy (`HTTPS_PROXY`) may be needed",
    ],
    [
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "tls",
      "the server at https://example.test cannot be trusted: UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "`NODE_EXTRA_CA_CERTS` names its file",
    ],
    [
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "tls",
      "the server at https://example.test cannot be trusted: its certificate is for another name",
      "check the address",
    ],
  ])("says at which end of the network it failed, and what to do: %s", async (code, reason, message, hint) => {
    const error = await target(system(code)).ask({ method: "POST" });
    expect(error).toMatchObject({ reason, message, hint: expect.stringContaining(hint) });
  });

  test.each([
    ["ECONNREFUSED", {}, "refused", "nothing answers at https://example.test: cannot reach the server"],
    [
      "ECONNREFUSED",
      { HTTPS_PROXY: "http://me:secret@proxy.test:3128" },
      "proxy",
      "cannot reach the server at https://example.test through the proxy: nothing answers at `proxy.test:3128`",
    ],
    [
      "ENOTFOUND",
      { HTTPS_PROXY: "http://other.test:3128", https_proxy: "http://proxy.test:3128" },
      "proxy",
      "cannot reach the server at https://example.test through the proxy: no computer is called `proxy.test`",
    ],
    ...["proxy.test:3128", "127.0.0.1:3128", "proxy"].map((text) =>
      [
        "ECONNREFUSED",
        { HTTPS_PROXY: text },
        "proxy",
        `cannot reach the server at https://example.test through the proxy: nothing answers at \`${text}\``,
      ] as const
    ),
    [
      "UnsupportedProxyProtocol",
      { HTTPS_PROXY: "socks5://proxy.test:1080" },
      "proxy",
      "cannot reach the server at https://example.test through the proxy: it has to be one of `http` or `https`, " +
      "and not of `socks5`",
    ],
    [
      "ECONNREFUSED",
      { HTTPS_PROXY: "http://proxy.test:3128", NO_PROXY: "localhost,.test" },
      "refused",
      "nothing answers at https://example.test: cannot reach the server",
    ],
    [
      "ECONNREFUSED",
      { HTTP_PROXY: "http://proxy.test:3128" },
      "refused",
      "nothing answers at https://example.test: cannot reach the server",
    ],
  ])("%s with %j is about the proxy or about the server", async (code, env, reason, message) => {
    const { to } = target(system(code));
    const asked = request({ ...to, world: { ...to.world, env } }, { path: "/x", method: "POST" });
    expect(await asked.catch((error: unknown) => error)).toMatchObject({ reason, message });
  });

  test("gives up on a server that accepts and says nothing", async () => {
    const { clock, to } = target(() => new Promise(() => {}));
    const silent = { ...to, world: { ...to.world, fetch: hanging } };
    const work = clock.run(request(silent, { path: "/x", attempts: 1 }).catch((error: unknown) => error), {
      upTo: 30_000,
    });
    expect(await work).toMatchObject({
      reason: "timeout",
      message: "the server at https://example.test does not answer: nothing came for 30 s",
    });
  });

  test("ends with the caller's reason when it is interrupted", async () => {
    const stop = new AbortController();
    const { to } = target(new Response());
    const work = request({ ...to, signal: stop.signal, world: { ...to.world, fetch: hanging } }, { path: "/x" });
    stop.abort(new Error("Ctrl-C"));
    expect(await work.catch(String)).toBe("Error: Ctrl-C");
  });
});

const hanging = (_url: string | URL, init?: RequestInit): Promise<Response> =>
  new Promise((_resolve, reject) => {
    const signal = present(init?.signal);
    const fail = () => reject(signal.reason);
    if (signal.aborted) fail();
    signal.addEventListener("abort", fail);
  });

describe("JSON", () => {
  const schema = z.object({ id: z.string() });
  const ask = async (body: string, type = "application/json") => {
    const { clock, to } = target(new Response(body, { headers: { "content-type": type } }));
    return await clock.run(requestJson(to, { path: "/x", schema }).catch((error: unknown) => error));
  };

  test("has the schema's shape", async () => expect(await ask('{"id":"1","more":2}')).toEqual({ id: "1" }));
  test("of another shape names the place", async () =>
    expect(await ask('{"id":1}')).toMatchObject({
      reason: "shape",
      message: expect.stringContaining("not understood at `id`"),
    }));
  test("cut off", async () => expect(await ask('{"id":')).toMatchObject({ reason: "shape" }));
  test("that is a web page", async () => expect(await ask("<html>", "text/html")).toMatchObject({ reason: "html" }));
});

describe("an answer's body", () => {
  const schema = z.object({ id: z.string() });
  /** Answers begin like this, and then nothing comes any more. */
  const stalling = (begin: string, status = 200) => () =>
    Promise.resolve(
      new Response(new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from(begin)) }), { status }),
    );
  const endless = (status = 200) => {
    const given = { bytes: 0 };
    const answer = () =>
      Promise.resolve(
        new Response(
          new ReadableStream({
            pull(controller) {
              given.bytes += 2 ** 16;
              controller.enqueue(Buffer.alloc(2 ** 16, "x"));
            },
          }),
          { status },
        ),
      );
    return { given, answer };
  };
  const read = ({ clock, to }: ReturnType<typeof target>) =>
    clock.run(requestJson(to, { path: "/x", schema, attempts: 1 }).catch((error: unknown) => error), { upTo: 30_000 });

  test("that stalls is given up", async () => {
    expect(await read(target(stalling('{"id":')))).toMatchObject({
      reason: "timeout",
      message: "the server at https://example.test does not answer: nothing came for 30 s",
    });
  });

  test("of an error that stalls is taken as far as it came", async () => {
    expect(await read(target(stalling("no suc", 404)))).toMatchObject({
      reason: "status",
      status: 404,
      body: "no suc",
    });
  });

  test("without an end is not read to it", async () => {
    const data = endless();
    expect(await read(target(data.answer))).toMatchObject({
      reason: "shape",
      message: "the server at https://example.test gave an answer to /api/x that is larger than 16 MiB",
    });
    expect(data.given.bytes).toBeLessThan(17 * 2 ** 20);
    const refusal = endless(404);
    expect(await read(target(refusal.answer))).toMatchObject({ reason: "status", status: 404 });
    expect(refusal.given.bytes).toBeLessThan(2 ** 18);
  });

  test("that is waited for ends with the caller's reason", async () => {
    const { to } = target(stalling("{"));
    const stop = new AbortController();
    const work = requestJson({ ...to, signal: stop.signal }, { path: "/x", schema });
    setTimeout(() => stop.abort(new Error("Ctrl-C")), 5);
    expect(await work.catch(String)).toBe("Error: Ctrl-C");
  });
});

describe("server-sent events", () => {
  const read = async (...pieces: string[]) => {
    const ids: string[] = [];
    const bytes = Buffer.from(pieces.join("\0"));
    // Cut where the pieces end, and once more in the middle of each character.
    const body = ReadableStream.from(
      pieces.length > 1 ? pieces.map((piece) => Buffer.from(piece)) : [...bytes].map((byte) => Uint8Array.of(byte)),
    );
    const events: ServerEvent[] = await Array.fromAsync(readEvents(body, { onId: (id) => ids.push(id) }));
    return { events, ids };
  };

  test("come whole however they are cut, comments are left out, ids are kept", async () => {
    const { events, ids } = await read(
      ": ping\n\nid: 1\ndata: é–1\n\n: ping\n\ndata: two\ndata: lines\n\nid: 7\n\ndata: cut off",
    );
    expect(events).toEqual([{ id: "1", ownId: "1", data: "é–1" }, {
      id: "1",
      ownId: undefined,
      data: "two\nlines",
    }]);
    expect(ids).toEqual(["1", "7"]);
  });

  test("of one piece are all given before the next is read", async () => {
    expect((await read("data: a\n\ndata: b\n\nda", "ta: c\n\n")).events.map(({ data }) => data)).toEqual([
      "a",
      "b",
      "c",
    ]);
  });
});
