// Compile-only: what a recipe can rely on. `@ts-expect-error` stands before what has to be refused.
import { $, gpu, type InstanceHandle, parallel, type Ran, recipe, retry, ShellError, z } from "gpu";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles where both are the same type. */
function same<A, B>(_: Same<A, B>): void {}

export const typed = recipe({
  summary: "Types of the input",
  budget: 5,
  input: z.object({
    dir: z.string().default("."),
    type: z.string().optional(),
    mode: z.enum(["fast", "slow"]).default("fast"),
    tags: z.array(z.string()).default([]),
  }),
  run({ dir, type, mode, tags }) {
    same<typeof dir, string>(true);
    same<typeof type, string | undefined>(true);
    same<typeof mode, "fast" | "slow">(true);
    same<typeof tags, string[]>(true);
    // @ts-expect-error There is no such mode.
    if (mode === "medium") return 1;
    return { success: true };
  },
});

export const withoutInput = recipe({ summary: "No input", run: () => Promise.resolve({ success: false }) });

// @ts-expect-error It has to say what it does.
recipe({ run: () => 1 });
// @ts-expect-error A budget is a number of US dollars.
recipe({ summary: "Text", budget: "5", run: () => 1 });

export async function instances(): Promise<void> {
  await using box = await gpu.start({ type: "gpu_1x_a10", hours: 0.5 }, { label: "trainer" });
  const handle: InstanceHandle = box;
  same<typeof handle.id, string>(true);
  same<typeof box.pricePerHour, number>(true);
  // @ts-expect-error Mistyped.
  await gpu.start({ huors: 1 });
  // @ts-expect-error A lease is a number of hours.
  await gpu.start({ hours: "1" });
  // @ts-expect-error What spends is not repeated: it could rent twice.
  await gpu.start({ hours: 1 }, { retry: 3 });
  // @ts-expect-error Keeping has a reason.
  await box.keep({ hours: 1 });

  const ran = await gpu.exec({ targets: [box.id], command: ["uname"] });
  same<Ran, typeof ran & Ran>(true);
  same<typeof ran.stdout, string>(true);
  const { stdout, exitCode } = await box.$`nvidia-smi -L`;
  same<typeof stdout, string>(true);
  same<typeof exitCode, number>(true);
  same<string, Awaited<ReturnType<ReturnType<typeof box.exec>["text"]>>>(true);
  // @ts-expect-error An object has no place in a command.
  await box.$`echo ${{ a: 1 }}`;
  // @ts-expect-error A command is awaited before its output is there.
  box.$`uname`.stdout.length;
  // @ts-expect-error So is an instance.
  gpu.start({ hours: 1 }).then.name.id;
}

export async function tests(): Promise<boolean> {
  await using box = await gpu.start();
  await using tunnel = await box.tunnel({ forward: ["0:ci"] });
  same<typeof tunnel.url, string>(true);
  const job = await gpu.ci.submit.test({ dir: ".", ...tunnel.ci() });
  for await (const line of job.log()) same<typeof line, string>(true);
  const { success } = await job.result();
  same<typeof success, boolean>(true);
  return success;
}

export async function lists(): Promise<void> {
  for (const { type, pricePerHour } of await gpu.available({ free: true })) {
    same<typeof type, string>(true);
    same<typeof pricePerHour, number>(true);
  }
  // @ts-expect-error A list is awaited before it is gone through.
  for (const { type } of gpu.available()) String(type);
  const instances = await gpu.status();
  for (const { id, state } of instances) same<typeof id, string>(true), String(state);
  // @ts-expect-error There is no such state.
  instances.filter(({ state }) => state === "sleeping");
  for await (const event of gpu.tunnel.log({ follow: true })) same<typeof event.tunnel, string>(true);
}

export async function language(): Promise<void> {
  const lengths = await parallel(["a", "b"], (word) => Promise.resolve(word.length), { limit: 2 });
  same<typeof lengths, number[]>(true);
  const text = await retry(() => $`date`.text());
  same<typeof text, string>(true);
  // @ts-expect-error A span is written with its unit.
  await $`sleep 1`.timeout("5 minutes");
  try {
    await $`false`;
  } catch (error) {
    if (error instanceof ShellError) same<typeof error.exitCode, number>(true);
  }
}
