/** How a character looks: classes of the drawing, `b` bold, `d` dim, a colour's name. */
export interface Span {
  readonly text: string;
  readonly classes: string;
}

/** What a screen showed from a moment on: milliseconds since the recording began. */
export interface Snapshot {
  readonly atMs: number;
  readonly rows: readonly (readonly Span[])[];
}

interface Cell {
  readonly character: string;
  readonly classes: string;
}

const colours = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** A terminal in memory: as much of one as commands need that print, colour and draw over a line. */
export class Screen {
  readonly #size: { readonly columns: number; readonly rows: number };
  #rows: Cell[][] = [[]];
  #row = 0;
  #column = 0;
  #style = new Set<string>();

  constructor(size: { columns: number; rows: number }) {
    this.#size = size;
  }

  write(text: string): void {
    for (
      const [token, marks = "", command] of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\r|\n|[^]/gu)
    ) {
      if (command !== undefined) this.#obey(command, marks);
      else if (token === "\r") this.#column = 0;
      else if (token === "\n") this.#goTo(this.#row + 1);
      else if (!token.startsWith("\x1b") && token >= " ") this.#put(token);
    }
  }

  snapshot({ atMs, cursor }: { atMs: number; cursor: boolean }): Snapshot {
    const rows = this.#rows.map((row, index) =>
      spansOf(cursor && index === this.#row ? withCursor(row, this.#column) : row)
    );
    return { atMs, rows };
  }

  /** What stays to be read, without the lines at the end that are empty. */
  text(): string {
    return this.#rows.map((row) => row.map(({ character }) => character).join("").trimEnd()).join("\n").trimEnd();
  }

  #put(character: string): void {
    if (this.#column >= this.#size.columns) {
      this.#column = 0;
      this.#goTo(this.#row + 1);
    }
    const row = this.#rows[this.#row] ?? [];
    while (row.length < this.#column) row.push({ character: " ", classes: "" });
    row[this.#column] = { character, classes: [...this.#style].join(" ") };
    this.#column += 1;
  }

  #goTo(wanted: number): void {
    this.#row = Math.max(0, wanted);
    while (this.#rows.length <= this.#row) this.#rows.push([]);
    while (this.#rows.length > this.#size.rows) {
      this.#rows.shift();
      this.#row -= 1;
    }
  }

  #obey(command: string, marks: string): void {
    const numbers = marks.replace("?", "").split(";").map(Number);
    const count = Math.max(1, numbers[0] ?? 0);
    if (command === "m") this.#setStyle(numbers);
    else if (command === "A") this.#goTo(this.#row - count);
    else if (command === "B") this.#goTo(this.#row + count);
    else if (command === "C") this.#column += count;
    else if (command === "D") this.#column = Math.max(0, this.#column - count);
    else if (command === "G") this.#column = count - 1;
    else if (command === "H") {
      this.#goTo(count - 1);
      this.#column = Math.max(1, numbers[1] ?? 1) - 1;
    } else if (command === "K") this.#erase(numbers[0] === 2 ? 0 : this.#column);
    else if (command === "J" && (numbers[0] ?? 0) >= 2) this.#rows = this.#rows.map(() => []);
    else if (command === "J") {
      this.#erase(this.#column);
      this.#rows.length = this.#row + 1;
    }
  }

  #erase(from: number): void {
    this.#rows[this.#row] = (this.#rows[this.#row] ?? []).slice(0, from);
  }

  #setStyle(numbers: readonly number[]): void {
    for (const number of numbers) {
      if (number === 0) this.#style.clear();
      else if (number === 1) this.#style.add("b");
      else if (number === 2) this.#style.add("d");
      else if (number === 22) { for (const name of ["b", "d"]) this.#style.delete(name); }
      else if (number === 39) { for (const name of colours) this.#style.delete(name); }
      const colour = colours[number >= 90 ? number - 90 : number - 30];
      if (colour === undefined) continue;
      for (const name of colours) this.#style.delete(name);
      this.#style.add(colour);
    }
  }
}

function withCursor(row: readonly Cell[], column: number): Cell[] {
  const padded = [...row];
  while (padded.length < column) padded.push({ character: " ", classes: "" });
  padded[column] = { character: "█", classes: "d" };
  return padded;
}

function spansOf(row: readonly Cell[]): Span[] {
  const spans: Span[] = [];
  for (const { character, classes } of row) {
    const last = spans.at(-1);
    if (last?.classes === classes) spans[spans.length - 1] = { text: last.text + character, classes };
    else spans.push({ text: character, classes });
  }
  return spans;
}
