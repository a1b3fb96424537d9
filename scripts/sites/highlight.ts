import { escaped } from "./markdown.ts";

const keywords =
  "import|export|default|from|const|let|await|async|using|for|of|if|return|new|try|catch|throw|function|type|interface";

/** Words of a language, in marks that the style knows: remarks, texts, keywords. */
const patterns: Readonly<Record<string, RegExp>> = {
  ts: new RegExp(`(?<remark>//[^\\n]*)|(?<text>"[^"\\n]*"|\`[^\`]*\`)|(?<word>\\b(?:${keywords})\\b)`, "g"),
  sh: /(?<remark>(?<=^|\s)#[^\n]*)|(?<text>'[^'\n]*'|"[^"\n]*")/g,
  yaml: /(?<remark>(?<=^|\s)#[^\n]*)|(?<text>"[^"\n]*")|(?<word>^\s*[\w-]+(?=:))/gm,
};

/** Code as HTML; a language that is not known stays plain. */
export function highlighted(code: string, language: string): string {
  const pattern = patterns[language];
  if (pattern === undefined) return escaped(code);
  let html = "";
  let end = 0;
  for (const found of code.matchAll(pattern)) {
    const [kind] = Object.entries(found.groups ?? {}).find(([, text]) => text !== undefined) ?? [];
    html += `${escaped(code.slice(end, found.index))}<span class="${kind}">${escaped(found[0])}</span>`;
    end = found.index + found[0].length;
  }
  return html + escaped(code.slice(end));
}
