import { replaceWrite } from "../heard.ts";
import { stackHere } from "../surface/call.ts";

type Stream = "stdout" | "stderr";

export interface PrintListener {
  /** What the recipe printed, with its newlines, in the pieces it was printed in. */
  print(chunk: string | Uint8Array, stream: Stream): void;
  /** Whether `print` also shows it; else it is printed as ever. */
  takesPrints(): boolean;
}

/** Hears all that a recipe prints through `console` and the streams of its process, until disposed. */
export function hearPrints(host: NodeJS.Process, listener: PrintListener): Disposable {
  const restore = new DisposableStack();
  const voices = voicesOf((text, stream) => listener.print(text, stream));
  for (const [name, speak] of Object.entries(voices)) {
    const own: unknown = Reflect.get(console, name);
    Reflect.set(console, name, (...values: unknown[]) => {
      if (!listener.takesPrints() && typeof own === "function") own.apply(console, values);
      return speak(...values);
    });
    restore.defer(() => void Reflect.set(console, name, own));
  }
  for (const name of ["stdout", "stderr"] as const) {
    const stream = host[name];
    restore.use(replaceWrite(stream, (write) => (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
      listener.print(chunk, name);
      if (!listener.takesPrints()) return Reflect.apply(write, stream, [chunk, ...rest]) !== false;
      for (const done of rest) if (typeof done === "function") queueMicrotask(() => done());
      return true;
    }));
  }
  return restore;
}

/** All of `console` that prints, as text: values look as Bun itself shows them. */
function voicesOf(print: (text: string, stream: Stream) => void): Record<string, (...values: unknown[]) => unknown> {
  let indent = "";
  const counts = new Map<string, number>();
  const timers = new Map<string, number>();
  const say = (stream: Stream, text: string) =>
    print(`${text === "" ? "" : text.split("\n").map((line) => indent + line).join("\n")}\n`, stream);
  const out = (...values: unknown[]) => say("stdout", textOf(values));
  const error = (...values: unknown[]) => say("stderr", textOf(values));
  const group = (...values: unknown[]) => {
    if (values.length > 0) out(...values);
    indent += "  ";
  };
  const elapsed = (label: string) => {
    const began = timers.get(label);
    return began === undefined ? undefined : `[${(performance.now() - began).toFixed(2)}ms] ${label}`;
  };
  return {
    ...{ log: out, info: out, debug: out, dirxml: out, error, warn: error, group, groupCollapsed: group },
    dir: (value) => out(value),
    table: (value) => typeof value === "object" && value !== null ? out(Bun.inspect.table(value)) : out(value),
    trace(...values) {
      error(...values);
      error(stackHere().split("\n").slice(2).join("\n"));
    },
    assert(isTrue, ...values) {
      if (!isTrue) error("Assertion failed", ...values);
    },
    groupEnd: () => void (indent = indent.slice(2)),
    count(label = "default") {
      const name = String(label);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      out(`${name}: ${counts.get(name)}`);
    },
    countReset: (label = "default") => void counts.delete(String(label)),
    time: (label = "default") => void timers.set(String(label), performance.now()),
    timeEnd(label = "default") {
      const text = elapsed(String(label));
      if (text !== undefined) error(text);
      timers.delete(String(label));
    },
    timeLog(label = "default", ...values) {
      const text = elapsed(String(label));
      if (text !== undefined) error(text, ...values);
    },
    write(...values) {
      const text = values.map((value) => value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value));
      print(text.join(""), "stdout");
      return Buffer.byteLength(text.join(""));
    },
  };
}

function textOf(values: readonly unknown[]): string {
  const [first, ...others] = values;
  if (typeof first !== "string" || !first.includes("%")) return values.map(shown).join(" ");
  // The directives of console.log, as WHATWG's Console Standard has them.
  const text = first.replace(/%([sdifoOjc%])/g, (found, directive: string) => {
    if (directive === "%") return "%";
    if (others.length === 0) return found;
    const value = others.shift();
    if (directive === "c") return "";
    if (directive === "s") return String(value);
    if (directive === "d" || directive === "f") return String(Number(value));
    return directive === "i" ? String(Math.trunc(Number(value))) : shown(value);
  });
  return [text, ...others.map(shown)].join(" ");
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : Bun.inspect(value);
}
