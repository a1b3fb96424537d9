/** A piece of source that is read as one. */
export interface Token {
  readonly kind: "word" | "number" | "string" | "template" | "pattern" | "sign" | "end";
  readonly text: string;
}

/** Behind the last one. */
export const end: Token = { kind: "end", text: "" };
/** Brackets, and what closes each. */
export const opening: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
const shape =
  /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|([A-Za-z_$][\w$]*)|(0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|("(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*')|(=>|\.\.\.|[\s\S])/y;

/** The tokens of JavaScript without comments, as `Bun.Transpiler` writes it. Never fails. */
export function tokensOf(code: string): Token[] {
  const tokens: Token[] = [];
  for (let index = 0; index < code.length;) {
    if (code[index] === "`") {
      const until = templateEnd(code, index);
      tokens.push({ kind: "template", text: code.slice(index + 1, until - 1) });
      index = until;
      continue;
    }
    const pattern = code[index] === "/" && mayBePattern(tokens.at(-1)) ? patternAt(code, index) : undefined;
    if (pattern !== undefined) {
      tokens.push({ kind: "pattern", text: pattern });
      index += pattern.length;
      continue;
    }
    shape.lastIndex = index;
    const [whole = "", word, number, string, sign] = shape.exec(code) ?? [];
    if (word !== undefined) tokens.push({ kind: "word", text: word });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (string !== undefined) tokens.push({ kind: "string", text: string });
    else if (sign !== undefined) tokens.push({ kind: "sign", text: sign });
    index += Math.max(1, whole.length);
  }
  return tokens;
}

/** A slash begins a regular expression where no value stands before it. */
function mayBePattern(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === "word") return /^(?:return|typeof|case|in|of|do|else|void|await|yield)$/.test(before.text);
  return before.kind === "sign" && !/^[)\]}]$/.test(before.text);
}

function patternAt(code: string, index: number): string | undefined {
  const pattern = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
  pattern.lastIndex = index;
  return pattern.exec(code)?.[0];
}

/** The index behind the backtick that ends a template; in its `${…}` there may be others. */
function templateEnd(code: string, start: number): number {
  for (let index = start + 1, depth = 0; index < code.length; index++) {
    if (code[index] === "\\") index += 1;
    else if (depth === 0 && code[index] === "`") return index + 1;
    else if (depth === 0 && code.startsWith("${", index)) {
      depth = 1;
      index += 1;
    } else if (depth > 0 && code[index] === "`") index = templateEnd(code, index) - 1;
    else if (depth > 0 && code[index] === "{") depth += 1;
    else if (depth > 0 && code[index] === "}") depth -= 1;
  }
  return code.length;
}
