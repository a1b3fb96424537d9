// Runs r.ts of a folder in a process of its own, and prints what came of it.
import { benchIn, removeTestCache } from "./recipe-fixture.ts";

const bench = benchIn(process.argv[2] ?? "");
const result = await bench.run(["run", "--no-check", "r.ts"]);
removeTestCache();
console.log(JSON.stringify({ ...result, events: bench.events }));
process.exit(0);
