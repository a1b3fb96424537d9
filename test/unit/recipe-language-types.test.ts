import { expect, test } from "bun:test";
import type * as gpu from "../../src/recipe/module.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where the claim is true. */
const claim = <_ extends true>() => {};

/** Never called: that it compiles, and what does not, is the test. A promise to recipes is broken where it does not. */
async function promises(
  { $, ask, duration, notify, onExit, parallel, poll, retry, secrets, size, sleep, z }: typeof gpu,
) {
  const text = await $`a ${"x"} ${1} ${true} ${["a", 2]}`.text();
  claim<Same<typeof text, string>>();
  const json = await $`a`.json();
  claim<Same<typeof json, unknown>>();
  const typed = await $`a`.json(z.object({ n: z.number() }));
  claim<Same<typeof typed, { n: number }>>();
  const output = await $`a`.pipe($`b`).quiet().nothrow().timeout("1h30m").retry({ attempts: 2, pause: "5s" }).tail(8);
  claim<Same<typeof output.exitCodes, readonly number[]>>();
  for await (const line of $`a`.env({ A: 1, B: undefined }).cwd("x").stdin("y")) claim<Same<typeof line, string>>();
  // @ts-expect-error an object is no word of a command
  $`a ${{ n: 1 }}`;
  // @ts-expect-error nor is what may be missing
  $`a ${undefined}`;
  // @ts-expect-error not a span of time
  $`a`.timeout("5 minutes");
  // @ts-expect-error not a span of time
  await sleep("90x");
  // @ts-expect-error a space is in no span of time
  await sleep("5 m");
  // @ts-expect-error nor in front of one, nor in the middle
  for (const span of [" 5m", "1h 30m"] as const) await sleep(span);
  for (const span of ["90s", "1h30m", "1h05m", "1d12h", "1d00h10m", "0.5s", "1.05h", "1m30.5s", "100ms"] as const) {
    await sleep(span);
  }
  await sleep(90);
  // @ts-expect-error not an amount of data
  size("16 gigs");
  // @ts-expect-error nor one with a space
  size("16 GiB");
  for (const amount of ["16GiB", "1.5GB", "0.05TiB", "500MB"] as const) size(amount);
  claim<Same<ReturnType<typeof size>, number>>();
  claim<Same<ReturnType<typeof duration>, number>>();

  const found = await poll(() => text === "" ? undefined : { text }, { every: "2s", timeout: "10m" });
  claim<Same<typeof found, { text: string }>>();
  const all = await parallel(["a", "b"], (item, index) => `${item}${index}`, { limit: 2, failFast: false });
  claim<Same<typeof all, string[]>>();
  const tried = await retry((attempt) => attempt, { when: (error) => error instanceof Error });
  claim<Same<typeof tried, number>>();

  const gpuType = await ask.choice("Which?", ["a10", "h100"], { default: "a10" });
  claim<Same<typeof gpuType, "a10" | "h100">>();
  // @ts-expect-error the default is one of the choices
  await ask.choice("Which?", ["a10", "h100"], { default: "a100" });
  claim<Same<Awaited<ReturnType<typeof ask.confirm>>, boolean>>();
  claim<Same<Awaited<ReturnType<typeof secrets.get>>, string>>();
  claim<Same<Awaited<ReturnType<typeof secrets.find>>, string | undefined>>();
  const [told] = await notify("text", { to: ["team"], required: true });
  claim<Same<typeof told, gpu.Notification | undefined>>();
  claim<Same<ReturnType<typeof onExit>, () => void>>();

  const input = z.object({ every: z.duration().default("5m"), cache: z.bytes().optional() });
  const { every, cache } = input.parse({});
  claim<Same<typeof every, gpu.DurationText>>();
  claim<Same<typeof cache, gpu.SizeText | undefined>>();
  await sleep(every);
  // @ts-expect-error the default is a span of time
  z.duration().default("5 minutes");
}

test("what recipes were promised compiles", () => {
  expect(promises).toBeFunction();
});
