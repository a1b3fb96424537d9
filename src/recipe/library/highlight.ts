import { safeText } from "../../safe-text.ts";
import { paint, type Style } from "../../paint.ts";

/** Source with colours, for a terminal. Control characters in it are left out. */
export function highlight(source: string): string {
  return plain(source).replace(
    shape,
    (text, comment, string, keyword, literal, named) => {
      const style = comment !== undefined
        ? "gray"
        : string !== undefined
        ? "green"
        : keyword !== undefined
        ? "magenta"
        : literal !== undefined
        ? "yellow"
        : named !== undefined
        ? "cyan"
        : undefined;
      return style === undefined ? text : painted(style, text);
    },
  );
}

/** Source for a terminal without colours: also those are left out that the source itself has. */
export function plain(source: string): string {
  // deno-lint-ignore no-control-regex
  return safeText(source).replace(/\x1b\[[0-9;:]*m/g, "");
}

const shape = new RegExp(
  [
    String.raw`(\/\/[^\n]*|\/\*[\s\S]*?\*\/)`,
    "(\"(?:[^\"\\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\\n]|\\\\.)*'|`(?:[^`\\\\]|\\\\[\\s\\S])*`)",
    String
      .raw`(?<![.\w$])(import|from|export|default|const|let|async|await|using|return|if|else|for|of|in|while|try|catch|finally|throw|new|function|class|type|interface|extends|as|satisfies|typeof|void)\b(?!\s*[:,}])`,
    String.raw`\b(true|false|null|undefined|\d[\d_]*(?:\.\d+)?)\b`,
    String.raw`([A-Za-z_$][\w$]*)(?=\()`,
  ].join("|"),
  "g",
);

/** Each line by itself: a pager shows a page from its middle. */
function painted(style: Style, text: string): string {
  return text.split("\n").map((line) => line === "" ? "" : paint(style, line)).join("\n");
}
