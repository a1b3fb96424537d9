import type { Component } from "./bill-of-materials.ts";
import type { Release } from "./release.ts";

export interface NotesParts {
  readonly release: Release;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly components: readonly Component[];
  readonly isSigned: boolean;
  /** Platforms whose executable was started where it was built. */
  readonly started: readonly string[];
  readonly notStarted: readonly string[];
}

/** The notes of a release, in Markdown: what is new by the commits' own words, and what nobody has tried. */
export function notesOf({ release, files, components, isSigned, started, notStarted }: NotesParts): string {
  const { version, commit, date, lastTag, subjects } = release;
  return [
    `# gpu ${version}`,
    "",
    `${date.toISOString().slice(0, 10)}, commit ${commit.slice(0, 12)}${
      lastTag === undefined ? "" : `, after ${lastTag}`
    }.`,
    "",
    "## What is new",
    "",
    ...subjects.map((subject) => `- ${subject}`),
    "",
    "## What could not be verified where this was built",
    "",
    ...notStarted.map((name) => `- \`${name}\` was built and looked at from outside, and never started.`),
    `- Started and tested: ${started.map((name) => `\`${name}\``).join(", ")}.`,
    "- The clouds themselves: tests talk to the emulator that is part of `gpu`.",
    ...(isSigned ? [] : ["- Nobody signed `SHA256SUMS`."]),
    "",
    "## Files",
    "",
    "| file | MB |",
    "| --- | ---: |",
    ...files.map(({ name, bytes }) => `| \`${name}\` | ${(bytes / 1e6).toFixed(1)} |`),
    "",
    "Made again from the same commit, with the same key and the same Bun, xz and dpkg, every file has the same bytes.",
    "",
    "## What is compiled in",
    "",
    "| package | version | licence |",
    "| --- | --- | --- |",
    ...components.map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`),
    "",
  ].join("\n");
}
