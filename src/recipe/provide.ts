import * as module from "./module.ts";

let isProvided = false;

/**
 * Makes `import … from "gpu"` work in everything this process loads from here on. A virtual module is found before any
 * folder is looked into, so a `node_modules/gpu` beside the recipe, or `paths` in its tsconfig.json, change nothing.
 */
export function provideModule(): void {
  if (isProvided) return;
  isProvided = true;
  Bun.plugin({
    name: "gpu",
    setup(build) {
      build.module("gpu", () => ({ loader: "object", exports: { ...module } }));
    },
  });
}
