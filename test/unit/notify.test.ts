import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Config } from "../../src/config.ts";
import { sendNotifications } from "../../src/notify/send.ts";
import { outside } from "../../src/outside.ts";
import { notify } from "../../src/recipe/notify.ts";
import { tracedWorld } from "../../src/terminal/trace.ts";
import type { World } from "../../src/world.ts";
import { FakeClock } from "../fake/clock.ts";
import { fakeRun } from "../fake/recipe-run.ts";
import { fakeTerminal } from "../fake/terminal.ts";

interface Heard {
  readonly path: string;
  readonly authorization: string | null;
  readonly body: Record<string, unknown>;
}

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A server that takes notifications as Slack, Discord, Telegram and others do, and a world with secrets for it. */
function bench({ answers = [], env = {} }: { answers?: (() => Response)[]; env?: Record<string, string> } = {}) {
  const heard: Heard[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = await request.json() as Heard["body"];
      heard.push({ path: pathname + search, authorization: request.headers.get("authorization"), body });
      return answers.shift()?.() ?? new Response("ok");
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "gpu-notify-"));
  open.push(() => {
    server.stop(true);
    rmSync(folder, { recursive: true, force: true });
  });
  const clock = new FakeClock({ mode: "manual" });
  const world: World = {
    ...outside(process, { onClosedPipe: () => {} }),
    clock,
    terminal: fakeTerminal(),
    env,
    folders: { config: folder, state: folder, cache: folder },
  };
  const send = (channels: unknown, text: string, { to }: { to?: string[] } = {}) =>
    clock.run(
      sendNotifications({
        world,
        config: Config.parse({ notify: channels }),
        signal: new AbortController().signal,
        to,
        text,
        recipe: "nightly.ts",
      }),
      { upTo: 9_000 },
    );
  return { heard, world, clock, send, url: `http://127.0.0.1:${server.port}` };
}

test("each service gets the text as it takes it", async () => {
  const { heard, send, url } = bench({
    env: { SLACK_WEBHOOK_URL: "", TELEGRAM_BOT_TOKEN: "123:secret-of-the-bot", HOOK_TOKEN: "hook-token-1" },
  });
  const sent = await send({
    team: { type: "slack", url: `${url}/services/T/B/x` },
    games: { type: "discord", url: `${url}/api/webhooks/1/x?thread_id=7` },
    phone: { type: "telegram", url, chat: -100123 },
    hook: { type: "webhook", url: `${url}/hook`, secret: "HOOK_TOKEN" },
  }, "loss < 1 & @everyone <!channel>");
  expect(sent.map(({ name, sent, error }) => [name, sent, error])).toEqual([
    ["team", true, null],
    ["games", true, null],
    ["phone", true, null],
    ["hook", true, null],
  ]);
  const by = (path: string) => heard.find((each) => each.path === path);
  expect(by("/services/T/B/x")?.body).toEqual({ text: "loss &lt; 1 &amp; @everyone &lt;!channel&gt;" });
  expect(by("/api/webhooks/1/x?thread_id=7")?.body).toEqual({
    content: "loss < 1 & @everyone <!channel>",
    allowed_mentions: { parse: [] },
  });
  expect(by("/bot123:secret-of-the-bot/sendMessage")?.body).toMatchObject({ chat_id: -100123 });
  expect(by("/hook")).toMatchObject({
    authorization: "Bearer hook-token-1",
    body: { recipe: "nightly.ts", time: "2026-01-01T00:00:00.000Z" },
  });
});

test("a text that is too long is shortened, and an empty one refused", async () => {
  const { heard, send, url } = bench();
  await send({ games: { type: "discord", url: `${url}/d` } }, "😀".repeat(3000));
  expect([...String(heard[0]?.body.content)]).toHaveLength(2000);
  expect(String(heard[0]?.body.content)).toEndWith("😀…");
  await expect(send({ games: { type: "discord", url: `${url}/d` } }, " ")).rejects.toThrow("needs a text");
});

test("a server that is busy is asked again, as late as it says", async () => {
  const busy = () => new Response("{}", { status: 429, headers: { "retry-after": "2" } });
  const { heard, send, url, clock } = bench({ answers: [busy, () => new Response("", { status: 503 })] });
  expect(await send({ team: { type: "slack", url: `${url}/x` } }, "text")).toMatchObject([{ sent: true }]);
  expect(heard).toHaveLength(3);
  expect(clock.pauses).toContain(2000);
});

test("an error says what the service said, and no secret: not in the text, not with --verbose", async () => {
  const secret = "T000/B000/very-secret-part";
  const answers = [() => new Response(`no_service for ${secret}`, { status: 404 })];
  const { send, url, world } = bench({ answers });
  const env = { SLACK_WEBHOOK_URL: `${url}/services/${secret}` };
  const lines: string[] = [];
  const traced = tracedWorld({ ...world, env }, (line) => lines.push(line));
  Object.assign(world, { env, fetch: traced.fetch });
  const [notification] = await send({ team: { type: "slack" } }, "text");
  expect(notification?.error).toBe("Slack did not take it: HTTP 404, no_service for T000/B000/********");
  expect(lines.join("\n")).toContain("POST ********");
  expect(lines.join("\n")).not.toContain("very-secret-part");
  // Nothing listens there.
  Object.assign(world, { env: { SLACK_WEBHOOK_URL: `http://127.0.0.1:1/services/${secret}` } });
  const [gone] = await send({ team: { type: "slack" } }, "text");
  expect(gone?.error).toBe("Slack did not take it: no connection (refused)");
});

test("what is missing is said by its name, and one that fails does not keep the others", async () => {
  const { send, url } = bench();
  const sent = await send({
    team: { type: "slack" },
    phone: { type: "telegram", secret: "BOT" },
    far: { type: "discord", url: "http://example.com/hook" },
    fine: { type: "webhook", url: `${url}/hook` },
  }, "text");
  expect(sent.map(({ error }) => error)).toEqual([
    "there is no secret `SLACK_WEBHOOK_URL` for `notify.team`; `gpu secret set SLACK_WEBHOOK_URL`",
    "there is no secret `BOT` for `notify.phone`; `gpu secret set BOT`",
    "the address for `notify.far` is not encrypted",
    null,
  ]);
  await expect(send({ team: { type: "slack" } }, "text", { to: ["taem"] })).rejects.toThrow("has no `notify.taem`");
  expect(Config.safeParse({ notify: { team: { type: "slak" } } }).success).toBe(false);
  expect(Config.safeParse({ notify: { team: { type: "slack", secret: "https://hooks" } } }).success).toBe(false);
});

test("an answer that points elsewhere is not followed", async () => {
  const { heard, send, url } = bench({ answers: [() => Response.redirect("http://127.0.0.1:1/stolen", 307)] });
  const [notification] = await send({ hook: { type: "webhook", url: `${url}/hook` } }, "text");
  expect(notification?.sent).toBe(false);
  expect(heard).toHaveLength(1);
});

test("in a recipe a failure is a warning, unless the message is required", async () => {
  const { world, url } = bench();
  using fake = fakeRun({ world: { ...world, clock: outside(process, { onClosedPipe: () => {} }).clock } });
  const config = Config.parse({ notify: { team: { type: "slack" }, hook: { type: "webhook", url: `${url}/hook` } } });
  Object.assign(fake.run.context, { config: () => Promise.resolve(config) });
  expect((await notify("done")).map(({ sent }) => sent)).toEqual([false, true]);
  expect(fake.notes).toEqual([expect.stringContaining("warning: `team` was not notified: there is no secret")]);
  await expect(notify("done", { required: true })).rejects.toThrow("`team` was not notified");
  expect((await notify("done", { to: "hook", required: true })).length).toBe(1);
  Object.assign(fake.run.context, { config: () => Promise.resolve(Config.parse({})) });
  expect(await notify("done")).toEqual([]);
  expect(fake.notes.at(-1)).toContain("nobody was notified");
});
