import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where Chromium is on this computer, if it is. */
export function findChromium(): string | undefined {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  return names.map((name) => Bun.which(name)).find((path) => path !== null) ?? undefined;
}

/** One tab of a browser without a window. */
export interface Tab {
  open(url: string): Promise<void>;
  resize(size: { width: number; height: number }): Promise<void>;
  prefer(scheme: "light" | "dark"): Promise<void>;
  /** The value of an expression on the page; what is not JSON is lost. */
  evaluate<T>(expression: string): Promise<T>;
  /** The whole page as PNG. */
  picture(): Promise<Uint8Array>;
  /** Errors of scripts and requests to the outside since the last call. */
  takeTroubles(): string[];
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** Starts Chromium with a profile of its own, and speaks with it as the DevTools protocol says. */
export async function openBrowser(executable: string): Promise<AsyncDisposable & { readonly tab: Tab }> {
  const profile = mkdtempSync(join(tmpdir(), "gpu-chromium-"));
  const child = Bun.spawn([
    executable,
    "--headless=new",
    // In containers there is no user namespace, and what is opened are files of our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--remote-debugging-port=0",
    `--user-data-dir=${profile}`,
    "about:blank",
  ], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const stop = async () => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const port = await portOf(profile);
    const targets: { type: string; webSocketDebuggerUrl: string }[] =
      await (await fetch(`http://127.0.0.1:${port}/json`))
        .json();
    const target = targets.find(({ type }) => type === "page");
    if (target === undefined) throw new Error("chromium has no tab");
    const tab = await openTab(target.webSocketDebuggerUrl);
    return { tab, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Chromium writes into its profile which port it took. */
async function portOf(profile: string): Promise<string> {
  const path = join(profile, "DevToolsActivePort");
  for (let round = 0; round < 600; round++) {
    const text = existsSync(path) ? await Bun.file(path).text() : "";
    const [port = ""] = text.split("\n");
    if (text.includes("\n") && port !== "") return port;
    await Bun.sleep(50);
  }
  throw new Error("chromium did not start within 30 s");
}

async function openTab(url: string): Promise<Tab> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  const troubles: string[] = [];
  let onLoaded = () => {};
  let count = 0;
  socket.onmessage = ({ data }) => {
    const answer: Answer = JSON.parse(String(data));
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
    else if (answer.method === "Page.loadEventFired") onLoaded();
    else troubles.push(...troubleIn(answer));
  };
  const send = (method: string, params: Record<string, unknown> = {}) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const id = ++count;
      waiting.set(id, ({ result = {}, error }) => {
        waiting.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
      socket.send(JSON.stringify({ id, method, params }));
    });
  for (const domain of ["Page", "Runtime", "Network", "Log"]) await send(`${domain}.enable`);
  return {
    async open(url) {
      const loaded = new Promise<void>((resolve) => onLoaded = resolve);
      await send("Page.navigate", { url });
      await loaded;
    },
    async resize({ width, height }) {
      await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    },
    async prefer(scheme) {
      await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    },
    async evaluate<T>(expression: string) {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      // The protocol has no types; what the expression returns is known where it is written.
      return (result as { value: T }).value;
    },
    async picture() {
      const { data } = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: false });
      return Buffer.from(String(data), "base64");
    },
    takeTroubles: () => troubles.splice(0),
  };
}

function troubleIn({ method, params = {} }: Answer): string[] {
  const text = JSON.stringify(params);
  if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded") return [`the browser says ${text}`];
  if (method !== "Network.requestWillBeSent") return [];
  const [, url = ""] = /"request":\{"url":"([^"]*)"/.exec(text) ?? [];
  return /^(file|data):/.test(url) ? [] : [`it asks for ${url}`];
}
