/**
 * Declarations of what recipes use most of Bun's and Node's globals. Those packages have 4 MB, which take longer to read
 * than anything else in a check: a recipe that is right with these few is right with all, and one that is not is checked
 * again with all. So everything here says the same as there, or less; things are marked, so that an object of somebody's
 * own does not pass for one, and what functions return is exactly what it is there: a variable may be made from it.
 */
export const usualGlobals = `declare const usualGlobalsMark: unique symbol;
interface AbortSignal {
  readonly [usualGlobalsMark]: "AbortSignal";
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
}
declare const AbortSignal: {
  readonly [usualGlobalsMark]: "AbortSignal";
  abort(reason?: unknown): AbortSignal;
  timeout(milliseconds: number): AbortSignal;
};
interface AbortController {
  readonly [usualGlobalsMark]: "AbortController";
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare const AbortController: {
  readonly [usualGlobalsMark]: "AbortController";
  new (): AbortController;
};
interface URL {
  readonly [usualGlobalsMark]: "URL";
  readonly href: string;
  readonly origin: string;
  readonly protocol: string;
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
  readonly search: string;
  toString(): string;
}
declare const URL: {
  readonly [usualGlobalsMark]: "URL";
  new (url: string | URL, base?: string | URL): URL;
};
interface ReadableStream<R = unknown> {
  readonly [usualGlobalsMark]: ["ReadableStream", R];
}
interface Blob {
  readonly [usualGlobalsMark]: "Blob";
}
interface Response {
  readonly [usualGlobalsMark]: "Response";
  readonly ok: boolean;
  readonly status: number;
  text(): Promise<string>;
  json(): Promise<unknown>;
}
declare const fetch: {
  readonly [usualGlobalsMark]: "fetch";
  (
    url: string | URL,
    options?: { method?: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal },
  ): Promise<Response>;
};
interface Timer {
  readonly [usualGlobalsMark]: "Timer";
}
declare const setTimeout: {
  readonly [usualGlobalsMark]: "setTimeout";
  (callback: () => void, ms?: number): Timer;
};
declare const clearTimeout: {
  readonly [usualGlobalsMark]: "clearTimeout";
  (timer: Timer | undefined): void;
};
declare const setInterval: {
  readonly [usualGlobalsMark]: "setInterval";
  (callback: () => void, ms?: number): Timer;
};
declare const clearInterval: {
  readonly [usualGlobalsMark]: "clearInterval";
  (timer: Timer | undefined): void;
};
declare const performance: {
  readonly [usualGlobalsMark]: "performance";
  now(): number;
};
declare const crypto: {
  readonly [usualGlobalsMark]: "crypto";
  randomUUID(): \`\${string}-\${string}-\${string}-\${string}-\${string}\`;
};
declare const console: {
  readonly [usualGlobalsMark]: "console";
  debug(...data: unknown[]): void;
  error(...data: unknown[]): void;
  info(...data: unknown[]): void;
  log(...data: unknown[]): void;
  table(data?: unknown): void;
  warn(...data: unknown[]): void;
};
declare const process: {
  readonly [usualGlobalsMark]: "process";
  readonly argv: readonly string[];
  readonly env: { readonly [name: string]: string | undefined };
  get exitCode(): number | string | null | undefined;
  set exitCode(code: number | undefined);
  cwd(): string;
  exit(code?: number | string | null): never;
};
`;

/** The same of the one module of Node's that recipes import most. */
export const usualPath = `  export function basename(path: string, suffix?: string): string;
  export function dirname(path: string): string;
  export function extname(path: string): string;
  export function join(...paths: string[]): string;
  export function relative(from: string, to: string): string;
  export function resolve(...paths: string[]): string;
`;
