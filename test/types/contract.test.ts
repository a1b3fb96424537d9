// What recipes that are there already rely on: a field that goes, or has another type, breaks them.
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { isOurs, moduleProgram } from "./program.ts";

const page = join(import.meta.dir, "contract.txt");

test("nothing that a recipe can see was taken away or changed (`UPDATE=1` where that is wanted)", () => {
  const now = describeModule();
  if (process.env.UPDATE) writeFileSync(page, `${now.join("\n")}\n`);
  const before = readFileSync(page, "utf8").trimEnd().split("\n");
  const there = new Set(now);
  expect(before.filter((line) => !there.has(line))).toEqual([]);
}, 60_000);

/** A line for each function, and for each field of each type: `StartInput.hours?: number`. */
function describeModule(): string[] {
  const { program, checker, exported } = moduleProgram();
  const lines = new Set<string>();
  const root = program.getSourceFiles()[0];
  const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope |
    ts.TypeFormatFlags.WriteArrayAsGenericType;
  for (const alias of exported) {
    const symbol = alias.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(alias) : alias;
    if (!symbol.declarations?.some(isOurs) || alias.name === "z") continue;
    if (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias | ts.SymbolFlags.Class)) {
      addFields(alias.name, checker.getDeclaredTypeOfSymbol(symbol), 0);
    }
    if (symbol.flags & ts.SymbolFlags.Value && symbol.valueDeclaration) {
      addValue(alias.name, checker.getTypeOfSymbolAtLocation(symbol, symbol.valueDeclaration), 0);
    }
  }
  return [...lines].sort();

  function addValue(name: string, type: ts.Type, depth: number): void {
    const signatures = type.getCallSignatures();
    for (const signature of signatures) {
      lines.add(`${name}${checker.signatureToString(signature, root, flags)}`);
    }
    if (signatures.length === 0 || type.getProperties().length > 0) addFields(name, type, depth);
  }

  function addFields(name: string, type: ts.Type, depth: number): void {
    if (type.isUnion() && !type.types.some((member) => member.flags & ts.TypeFlags.Object)) {
      lines.add(`${name} = ${checker.typeToString(type, root, flags | ts.TypeFormatFlags.InTypeAlias)}`);
      return;
    }
    for (const member of type.isUnion() ? type.types : [type]) {
      const element = checker.isArrayType(member) ? checker.getTypeArguments(member as ts.TypeReference)[0] : undefined;
      for (const field of (element ?? member).getProperties()) addField(element ? `${name}[]` : name, field, depth);
    }
  }

  function addField(owner: string, field: ts.Symbol, depth: number): void {
    const declaration = field.declarations?.find(isOurs);
    if (!declaration || /^(?:__|#)/.test(field.name)) return;
    if (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private) return;
    const type = checker.getTypeOfSymbolAtLocation(field, declaration);
    const name = `${owner}.${field.name}`;
    if (type.getCallSignatures().length > 0) return addValue(name, type, depth + 1);
    const isGroup = owner.startsWith("gpu") || owner.startsWith("Gpu");
    if (isGroup && depth < 4) return addFields(name, type, depth + 1);
    const text = checker.typeToString(type, root, flags);
    lines.add(`${name}${field.flags & ts.SymbolFlags.Optional ? "?" : ""}: ${text}`);
  }
}
