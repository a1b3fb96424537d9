import { joined, numberOf, textOf, wordOf } from "./literals.ts";
import { end, opening, type Token, tokensOf } from "./tokens.ts";

/** A piece of source as far as it can be known without running it. */
export type Expression =
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "object"; readonly fields: ReadonlyMap<string, Expression>; readonly isWhole: boolean }
  | { readonly kind: "member"; readonly of: Expression; readonly name: string }
  | { readonly kind: "call"; readonly of: Expression; readonly args: readonly Expression[] }
  /** Anything else: a function, arithmetic, a template with values in it. */
  | { readonly kind: "unknown" };

/** What a module says at its top level. */
export interface Outline {
  /** `const name = …`. */
  readonly constants: ReadonlyMap<string, Expression>;
  /** `export default …`. */
  readonly exported: Expression | undefined;
}

/** Reads JavaScript without types and comments, as `Bun.Transpiler` writes it. Never fails: what it cannot read is `unknown`. */
export function readOutline(code: string): Outline {
  return new Reader(tokensOf(code)).module();
}

class Reader {
  readonly #tokens: readonly Token[];
  #index = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  module(): Outline {
    const constants = new Map<string, Expression>();
    let exported: Expression | undefined;
    while (this.#peek() !== end) {
      const [first, second, third] = [this.#peek(), this.#peek(1), this.#peek(2)];
      if (first.text === "const" && second.kind === "word" && third.text === "=") {
        do {
          const { text } = this.#peek(1);
          this.#index += 3;
          constants.set(text, this.#expression());
        } while (this.#peek().text === "," && this.#peek(1).kind === "word" && this.#peek(2).text === "=");
      } else if (first.text === "export" && second.text === "default") {
        this.#index += 2;
        exported = this.#expression();
      } else if (first.text === "export" && second.text === "{") {
        exported ??= this.#exportedName();
      } else this.#skipOne();
    }
    return { constants, exported };
  }

  /** `export { name as default }`, as the transpiler writes it for a default export that has a name. */
  #exportedName(): Expression | undefined {
    const from = this.#index;
    this.#index += 1;
    this.#skipOne();
    const words = this.#tokens.slice(from, this.#index).map(({ text }) => text);
    const name = words[words.findIndex((word, index) => word === "as" && words[index + 1] === "default") - 1];
    return name === undefined ? undefined : { kind: "name", name };
  }

  /** One expression; where it is more than is understood it is `unknown`, and read over whole. */
  #expression(): Expression {
    let found = this.#postfix(this.#primary());
    while (this.#peek().kind === "sign" && this.#peek().text === "+" && found.kind === "literal") {
      this.#index += 1;
      found = joined(found.value, this.#postfix(this.#primary()));
    }
    if (this.#isAtEnd()) return found;
    while (!this.#isAtEnd()) this.#skipOne();
    return { kind: "unknown" };
  }

  #isAtEnd(): boolean {
    const { kind, text } = this.#peek();
    return kind === "end" || (kind === "sign" && /^[,;)\]}]$/.test(text));
  }

  #primary(): Expression {
    const token = this.#peek();
    if (token.text === "[" && token.kind === "sign") return { kind: "list", items: this.#list("[") };
    if (token.text === "{" && token.kind === "sign") return this.#object();
    if (token.text === "(" && token.kind === "sign") return this.#group();
    if (token.text === "-" && this.#peek(1).kind === "number") {
      this.#index += 2;
      return { kind: "literal", value: -numberOf(this.#peek(-1).text) };
    }
    // `!0` is how the transpiler may write `true`.
    if (token.text === "!" && this.#peek(1).kind === "number") {
      this.#index += 2;
      return { kind: "literal", value: numberOf(this.#peek(-1).text) === 0 };
    }
    if (this.#isAtEnd()) return { kind: "unknown" };
    this.#index += 1;
    switch (token.kind) {
      case "string":
        return textOf(token.text.slice(1, -1));
      case "template":
        return token.text.includes("${") ? { kind: "unknown" } : textOf(token.text);
      case "number":
        return { kind: "literal", value: numberOf(token.text) };
      case "word":
        return wordOf(token.text);
      default:
        return { kind: "unknown" };
    }
  }

  #group(): Expression {
    const [only, ...others] = this.#list("(");
    // Parameters of a function, where an arrow follows; `#expression` reads on over it.
    return only !== undefined && others.length === 0 ? only : { kind: "unknown" };
  }

  #postfix(of: Expression): Expression {
    for (;;) {
      const { kind, text } = this.#peek();
      if (kind === "sign" && text === "." && this.#peek(1).kind === "word") {
        of = { kind: "member", of, name: this.#peek(1).text };
        this.#index += 2;
      } else if (kind === "sign" && text === "(") of = { kind: "call", of, args: this.#list("(") };
      else return of;
    }
  }

  #list(bracket: "[" | "("): Expression[] {
    const items: Expression[] = [];
    this.#index += 1;
    while (!this.#isClosing()) {
      items.push(this.#expression());
      if (this.#peek().text === "," || this.#peek().text === ";") this.#index += 1;
      else if (!this.#isClosing()) this.#skipOne();
    }
    if (this.#peek().text === opening[bracket]) this.#index += 1;
    return items;
  }

  #object(): Expression {
    const fields = new Map<string, Expression>();
    let isWhole = true;
    this.#index += 1;
    while (!this.#isClosing()) {
      const key = this.#peek();
      const next = this.#peek(1);
      if (next.text === ":" && (key.kind === "word" || key.kind === "string")) {
        this.#index += 2;
        fields.set(key.kind === "string" ? key.text.slice(1, -1) : key.text, this.#expression());
      } else if (key.kind === "word" && /^[,}]$/.test(next.text)) {
        this.#index += 1;
        fields.set(key.text, wordOf(key.text));
      } else {
        // A method, an accessor, a spread, a computed key.
        isWhole &&= key.text !== "..." && key.text !== "[";
        while (!this.#isClosing() && this.#peek().text !== ",") this.#skipOne();
      }
      if (this.#peek().text === ",") this.#index += 1;
    }
    if (this.#peek().text === "}") this.#index += 1;
    return { kind: "object", fields, isWhole };
  }

  #isClosing(): boolean {
    const { kind, text } = this.#peek();
    return kind === "end" || (kind === "sign" && /^[)\]}]$/.test(text));
  }

  /** Passes over a token, or over a bracket with all that is in it. */
  #skipOne(): void {
    const closers: string[] = [];
    do {
      const { kind, text } = this.#peek();
      this.#index += 1;
      const closer = kind === "sign" ? opening[text] : undefined;
      if (closer !== undefined) closers.push(closer);
      else if (kind === "sign" && text === closers.at(-1)) closers.pop();
    } while (closers.length > 0 && this.#peek() !== end);
  }

  #peek(offset = 0): Token {
    return this.#tokens[this.#index + offset] ?? end;
  }
}
