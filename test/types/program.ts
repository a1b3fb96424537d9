import { join } from "node:path";
import ts from "typescript";

const root = join(import.meta.dir, "../..");

/** What recipes import, as the compiler sees it from its sources. */
export function moduleProgram(): { program: ts.Program; checker: ts.TypeChecker; exported: readonly ts.Symbol[] } {
  const entry = join(root, "src/recipe/module.ts");
  const program = ts.createProgram({
    rootNames: [entry],
    options: {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ESNext,
      module: ts.ModuleKind.Preserve,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      lib: ["lib.esnext.d.ts"],
      types: ["bun-types"],
      typeRoots: [join(root, "node_modules"), join(root, "node_modules/@types")],
    },
  });
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(entry);
  const module = file && checker.getSymbolAtLocation(file);
  if (!module) throw new Error("src/recipe/module.ts is no module");
  return { program, checker, exported: checker.getExportsOfModule(module) };
}

/** Whether a declaration is in a file of this repository. */
export function isOurs(declaration: ts.Declaration): boolean {
  return declaration.getSourceFile().fileName.startsWith(join(root, "src"));
}
