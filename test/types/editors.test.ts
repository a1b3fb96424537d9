// What editors see in a folder that `gpu recipe init` made: asked of TypeScript's own server, and of Deno's.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildTypes } from "../../scripts/types.ts";
import { denoPath, root } from "../../scripts/toolchain.ts";
import { initFolder } from "../../src/recipe/init.ts";
import { Frames, type Message } from "./language-server.ts";

const source = `import { gpu, recipe, z } from "gpu";

export default recipe({
  summary: "Try the editor",
  input: z.object({ hours: z.number().default(1) }),
  async run({ hours }) {
    await using box = await gpu.start({ hours, type: 1 });
    const { stdout } = await box.exec("uname");
    gpu.
    return stdout.length;
  },
});
`;
const file = (folder: string) => join(folder, "r.ts");
/** Line and column, counted from 1, of what follows `text`. */
function after(text: string): { line: number; offset: number } {
  const before = source.slice(0, source.indexOf(text) + text.length).split("\n");
  return { line: before.length, offset: (before.at(-1) ?? "").length + 1 };
}

let folder: string;
beforeAll(async () => {
  await buildTypes();
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gpu-editor-")));
  await initFolder(".", { cwd: folder }, { forDeno: true });
  writeFileSync(file(folder), source);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("TypeScript's server completes, explains with examples, and marks what is wrong", async () => {
  await using server = openTsserver();
  await server.tell("open", { file: file(folder), fileContent: source });

  const completions = await server.ask("completionInfo", { file: file(folder), ...after("    gpu.") });
  const names = completions.entries.map(({ name }: Message) => name);
  expect(names).toEqual(expect.arrayContaining(["start", "stop", "exec", "ci", "tunnel"]));

  const start = await server.ask("quickinfo", { file: file(folder), ...after("await gpu.sta") });
  expect(start.documentation).toStartWith("Rent an instance");
  expect(start.tags).toContainEqual({
    name: "example",
    text: expect.stringContaining("await using box = await gpu.start("),
  });

  const field = await server.ask("quickinfo", { file: file(folder), ...after("gpu.start({ hou") });
  expect(field.displayString).toContain("(property) StartInput.hours");
  expect(field.documentation).toContain("lease");

  const exec = await server.ask("quickinfo", { file: file(folder), ...after("box.exe") });
  expect(exec.documentation).not.toBe("");

  const errors = await server.ask("semanticDiagnosticsSync", { file: file(folder) });
  expect(errors.map(({ start, text, code }: Message) => [start.line, code, text])).toContainEqual(
    [7, 2322, "Type 'number' is not assignable to type 'string'."],
  );
}, 30_000);

test("Deno's server finds the same types, and marks the same line", async () => {
  await using server = openDeno(folder);
  const uri = pathToFileURL(file(folder)).href;
  await server.ask("initialize", {
    processId: null,
    workspaceFolders: [{ uri: pathToFileURL(folder).href, name: "recipes" }],
    capabilities: { workspace: { workspaceFolders: true, configuration: true } },
  });
  await server.tell("initialized", {});
  await server.answer("workspace/configuration", ({ items }) => items.map(() => ({ enable: true, lint: false })));
  await server.tell("textDocument/didOpen", {
    textDocument: { uri, languageId: "typescript", version: 1, text: source },
  });
  const diagnostics = await server.diagnostics(uri, (found) => found.some(({ code }: Message) => code === 2322));
  const found = diagnostics.map(({ range, code, message }: Message) => [range.start.line + 1, code, message]);
  expect(found).toContainEqual([7, 2322, expect.stringContaining("Type 'number' is not assignable to type 'string'.")]);
  const { line, offset } = after("await gpu.sta");
  const hover = await server.ask("textDocument/hover", {
    textDocument: { uri },
    position: { line: line - 1, character: offset - 1 },
  });
  expect(JSON.stringify(hover.contents)).toContain("Rent an instance");
}, 30_000);

/** A server that ends with the scope. */
interface Server extends AsyncDisposable {
  tell(method: string, params: unknown): Promise<void>;
  ask(method: string, params: unknown): Promise<Message>;
}

function openTsserver(): Server {
  const server = join(root, "node_modules/typescript/lib/tsserver.js");
  const child = Bun.spawn([process.execPath, server, "--disableAutomaticTypingAcquisition"], {
    cwd: folder,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  const frames = new Frames(child);
  let seq = 0;
  const write = async (command: string, args: unknown) => {
    child.stdin.write(`${JSON.stringify({ seq: ++seq, type: "request", command, arguments: args })}\n`);
    await child.stdin.flush();
    return seq;
  };
  return {
    tell: async (command, args) => void await write(command, args),
    ask: async (command, args) => {
      const asked = await write(command, args);
      const { success, message, body } = await frames.next(({ type, request_seq }) =>
        type === "response" && request_seq === asked
      );
      if (!success) throw new Error(`${command}: ${message}`);
      return body;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

function openDeno(
  cwd: string,
): Server & {
  answer(method: string, result: (params: Message) => unknown): Promise<void>;
  diagnostics(uri: string, fits: (found: Message[]) => boolean): Promise<Message[]>;
} {
  const child = Bun.spawn([denoPath(), "lsp"], {
    cwd,
    env: { ...process.env, DENO_DIR: join(cwd, ".deno"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  const frames = new Frames(child);
  let id = 0;
  const write = async (message: Record<string, unknown>) => {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    await child.stdin.flush();
  };
  return {
    tell: async (method, params) => await write({ method, params }),
    ask: async (method, params) => {
      const asked = ++id;
      await write({ id: asked, method, params });
      const { error, result } = await frames.next((message) => message.id === asked && message.method === undefined);
      if (error) throw new Error(`${method}: ${error.message}`);
      return result;
    },
    answer: async (method, result) => {
      const { id, params } = await frames.next((message) => message.method === method);
      await write({ id, result: result(params) });
    },
    diagnostics: async (uri, fits) =>
      (await frames.next(({ method, params }) =>
        method === "textDocument/publishDiagnostics" && params.uri === uri && fits(params.diagnostics)
      )).params.diagnostics,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
