import type { Bytes } from "./names.ts";

/*
 * Patterns as git matches them (wildmatch.c with WM_PATHNAME), byte by byte: `*` and `?` stop at a slash, `**` between
 * slashes spans folders, `[…]` knows ranges, `!` and `^`, and the classes of POSIX.
 */

const classes: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[\x21-\x7e]/,
  lower: /[a-z]/,
  print: /[\x20-\x7e]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\v\f\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
};

/** `abort`: no later start of an enclosing star can help; `abortToStarStar`: only one that crosses slashes can. */
type Verdict = "match" | "no" | "abort" | "abortToStarStar";

/** Whether the whole of a path matches. A pattern that cannot be read matches nothing. */
export function wildmatch(pattern: Bytes, path: Bytes): boolean {
  return match(pattern, 0, path, 0) === "match";
}

/** The same for one name, in which there is no slash. */
export function matchesName(pattern: Bytes, name: Bytes): boolean {
  return wildmatch(pattern, name);
}

export function hasWildcards(pattern: Bytes): boolean {
  return /(?:^|[^\\])(?:\\\\)*[*?[]/.test(pattern);
}

/** A pattern without wildcards as what it stands for. */
export function unescaped(pattern: Bytes): Bytes {
  return pattern.includes("\\") ? pattern.replace(/\\([*?[\\])/g, "$1") : pattern;
}

function match(pattern: Bytes, patternAt: number, text: Bytes, textAt: number): Verdict {
  let p = patternAt;
  let t = textAt;
  for (; p < pattern.length; p++, t++) {
    const wanted = pattern[p];
    const found = text[t];
    if (found === undefined && wanted !== "*") return "abort";
    if (wanted === "*") return matchStar(pattern, p, text, t);
    if (wanted === "?") {
      if (found === "/") return "no";
    } else if (wanted === "[") {
      const set = matchSet(pattern, p, found ?? "");
      if (set === undefined) return "abort";
      if (!set.isIn || found === "/") return "no";
      p = set.end;
    } else {
      if (wanted === "\\") p++;
      if (pattern[p] !== found) return "no";
    }
  }
  return t < text.length ? "no" : "match";
}

function matchStar(pattern: Bytes, star: number, text: Bytes, textAt: number): Verdict {
  let t = textAt;
  let p = star + 1;
  let crossesSlashes = false;
  if (pattern[p] === "*") {
    while (pattern[p] === "*") p++;
    const startsPart = star === 0 || pattern[star - 1] === "/";
    const isEscapedSlash = pattern[p] === "\\" && pattern[p + 1] === "/";
    if (startsPart && (p === pattern.length || pattern[p] === "/" || isEscapedSlash)) {
      // `**/` also stands for nothing at all.
      if (pattern[p] === "/" && match(pattern, p + 1, text, t) === "match") return "match";
      crossesSlashes = true;
    }
  }
  if (p === pattern.length) {
    return crossesSlashes || !text.includes("/", t) ? "match" : "abortToStarStar";
  }
  if (!crossesSlashes && pattern[p] === "/") {
    const slash = text.indexOf("/", t);
    if (slash < 0) return "abort";
    // The slash itself is matched by what calls the rest.
    return match(pattern, p + 1, text, slash + 1);
  }
  for (; t < text.length; t++) {
    const rest = match(pattern, p, text, t);
    if (rest !== "no" && (!crossesSlashes || rest !== "abortToStarStar")) return rest;
    if (!crossesSlashes && text[t] === "/") return "abortToStarStar";
  }
  return "abort";
}

interface SetVerdict {
  readonly isIn: boolean;
  /** Where its `]` is. */
  readonly end: number;
}

/** Undefined: the set has no end, or a class that there is not. */
function matchSet(pattern: Bytes, start: number, found: string): SetVerdict | undefined {
  let p = start + 1;
  const isNegated = pattern[p] === "!" || pattern[p] === "^";
  if (isNegated) p++;
  let isIn = false;
  let previous = "";
  for (let isFirst = true; isFirst || pattern[p] !== "]"; isFirst = false, p++) {
    let next = pattern[p];
    if (next === undefined) return undefined;
    if (next === "\\") {
      next = pattern[++p];
      if (next === undefined) return undefined;
      if (next === found) isIn = true;
    } else if (next === "-" && previous !== "" && pattern[p + 1] !== undefined && pattern[p + 1] !== "]") {
      next = pattern[++p];
      if (next === "\\") next = pattern[++p];
      if (next === undefined) return undefined;
      if (found >= previous && found <= next) isIn = true;
      next = "";
    } else if (next === "[" && pattern[p + 1] === ":") {
      const end = pattern.indexOf("]", p + 2);
      if (end < 0) return undefined;
      if (end - p - 3 < 0 || pattern[end - 1] !== ":") {
        // Not a class after all: a plain `[`.
        if (found === "[") isIn = true;
      } else {
        const known = classes[pattern.slice(p + 2, end - 1)];
        if (known === undefined) return undefined;
        if (known.test(found)) isIn = true;
        p = end;
        next = "";
      }
    } else if (next === found) isIn = true;
    previous = next;
  }
  return { isIn: isIn !== isNegated, end: p };
}
