import { expect, test } from "bun:test";
import ts from "typescript";
import { isOurs, moduleProgram } from "./program.ts";

test("every function, class, type and field that a recipe can see says what it is", () => {
  expect(undocumented()).toEqual([]);
}, 60_000);

/** `Name.field` of all that has no comment. */
function undocumented(): string[] {
  const { checker, exported } = moduleProgram();
  const seen = new Set<ts.Symbol>();
  const missing = new Set<string>();
  // zod documents itself.
  for (const symbol of exported.filter(({ name }) => name !== "z")) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    visit(target, symbol.name);
  }
  return [...missing].sort();

  function visit(symbol: ts.Symbol, name: string): void {
    const declarations = (symbol.declarations ?? []).filter(isOurs);
    if (declarations.length === 0 || seen.has(symbol)) return;
    seen.add(symbol);
    if (!isDocumented(symbol)) missing.add(name);
    for (const declaration of declarations) visitMembers(declaration, name);
  }

  function visitMembers(node: ts.Node, name: string): void {
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
      const named = checker.getSymbolAtLocation(ts.isTypeReferenceNode(node) ? node.typeName : node.expression);
      const target = named && named.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(named) : named;
      if (target && !(target.flags & ts.SymbolFlags.TypeParameter)) visit(target, target.name);
    }
    if (ts.isBlock(node) || ts.isConstructorDeclaration(node)) return;
    // What is written out among the arguments, or as the result, is told with the function.
    if (ts.isTypeLiteralNode(node) && isInSignature(node)) return;
    ts.forEachChild(node, (child) => {
      // What only `gpu` itself calls.
      if (ts.canHaveModifiers(child) && ts.getModifiers(child)?.some(({ kind }) => isHidden.has(kind))) return;
      const isMember = ts.isPropertySignature(child) || ts.isMethodSignature(child) ||
        ts.isPropertyDeclaration(child) ||
        ts.isMethodDeclaration(child) || ts.isGetAccessor(child);
      if (isMember && isVisible(child)) {
        const field = `${name}.${child.name.getText()}`;
        const symbol = checker.getSymbolAtLocation(child.name);
        if (symbol && !isDocumented(symbol) && !isInherited(child)) missing.add(field);
        visitMembers(child, field);
      } else if (!isMember) visitMembers(child, name);
    });
  }

  function isDocumented(symbol: ts.Symbol): boolean {
    return symbol.getDocumentationComment(checker).some(({ text }) => text.trim() !== "");
  }
}

function isInSignature(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isIntersectionTypeNode(parent)) return isInSignature(parent);
  return ts.isParameter(parent) || ts.isMethodSignature(parent) || ts.isFunctionDeclaration(parent);
}

const isHidden = new Set([ts.SyntaxKind.PrivateKeyword, ts.SyntaxKind.ProtectedKeyword, ts.SyntaxKind.StaticKeyword]);

/** Not private, and not one of the language's own words (`[Symbol.asyncDispose]`, `then`). */
function isVisible(member: ts.ClassElement | ts.TypeElement): member is typeof member & { name: ts.PropertyName } {
  const { name } = member;
  if (!name || ts.isPrivateIdentifier(name) || ts.isComputedPropertyName(name)) return false;
  const flags = ts.getCombinedModifierFlags(member);
  return !(flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected));
}

/** Said where it comes from: `override name = "GpuError"`, `then`, `catch`. */
function isInherited(member: ts.Node & { name: ts.PropertyName }): boolean {
  return (ts.canHaveModifiers(member) &&
    ts.getModifiers(member)?.some(({ kind }) =>
      kind === ts.SyntaxKind.OverrideKeyword || kind === ts.SyntaxKind.StaticKeyword
    )) ||
    /^(?:then|catch|finally)$/.test(member.name.getText());
}
