import type { CommandEntry } from "../../command.ts";
import type { AppOptions } from "../../app.ts";
import { GpuError } from "../../errors.ts";
import type { World } from "../../world.ts";

/** The process that `gpu recipe test` runs test files in, as `testRecipe` needs it. */
export interface TestHost {
  /** With folders that are the tests' own. */
  readonly world: World;
  readonly version: string;
  readonly entries: readonly CommandEntry[];
  runApp(argv: readonly string[], options: AppOptions): Promise<number>;
}

let provided: TestHost | undefined;

/** Makes `testRecipe` work in this process. */
export function provideTestHost(host: TestHost): void {
  provided = host;
}

/** The process that tests run in; throws in any other. */
export function testHost(): TestHost {
  if (provided) return provided;
  throw new GpuError("`testRecipe` works in a test", {
    hint: "write it into a file `*.test.ts` beside the recipe; `gpu recipe test` runs it",
  });
}
