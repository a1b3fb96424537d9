interface Part {
  readonly before: string;
  readonly digits: string;
  readonly after: string;
}

/** Names as few words: `node01 node02 node03 db` is `db,node[01-03]`. */
export function foldNames(names: readonly string[]): string {
  const left = new Set(names);
  const words: string[] = [];
  for (const { before, after, members } of sharedShapes(left)) {
    const digits = members.filter(({ name }) => left.has(name));
    if (digits.length < 2) continue;
    for (const { name } of digits) left.delete(name);
    words.push(`${before}[${rangesOf(digits.map(({ digits }) => digits))}]${after}`);
  }
  return [...left, ...words].toSorted(byName).join(",");
}

/** In the order in which a person counts: `node2` before `node10`. */
export const byName = new Intl.Collator("en", { numeric: true }).compare;

interface Shape {
  readonly before: string;
  readonly after: string;
  readonly members: { readonly name: string; readonly digits: string }[];
}

/** Names that differ in one number only, the largest such group first. */
function sharedShapes(names: ReadonlySet<string>): Shape[] {
  const shapes = new Map<string, Shape>();
  for (const name of names) {
    for (const { before, digits, after } of numbersIn(name)) {
      const key = `${before}\0${after}`;
      const shape = shapes.get(key) ?? { before, after, members: [] };
      shape.members.push({ name, digits });
      shapes.set(key, shape);
    }
  }
  return [...shapes.values()].filter(({ members }) => members.length > 1)
    .toSorted((a, b) => b.members.length - a.members.length);
}

function numbersIn(name: string): Part[] {
  return [...name.matchAll(/\d{1,15}/g)].map((match) => ({
    before: name.slice(0, match.index),
    digits: match[0],
    after: name.slice(match.index + match[0].length),
  }));
}

/** `01-03,07`. A number is as wide as it was written, so `1` and `01` are never in one range. */
function rangesOf(all: readonly string[]): string {
  const padded = new Set(
    all.filter((digits) => digits.length > 1 && digits.startsWith("0")).map(({ length }) => length),
  );
  const widthOf = (digits: string) => padded.has(digits.length) ? digits.length : 0;
  const sorted = all.map((digits) => ({ digits, value: Number(digits), width: widthOf(digits) }))
    .toSorted((a, b) => a.width - b.width || a.value - b.value);
  const ranges: { first: string; last: string; value: number; width: number }[] = [];
  for (const { digits, value, width } of sorted) {
    const range = ranges.at(-1);
    if (range && range.width === width && range.value + 1 === value) Object.assign(range, { last: digits, value });
    else ranges.push({ first: digits, last: digits, value, width });
  }
  return ranges.map(({ first, last }) => first === last ? first : `${first}-${last}`).join(",");
}
