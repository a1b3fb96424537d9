import type { Computer } from "../unit/rent-fixture.ts";

/** The same computer seen from a process that is gone, before or after its n-th step, as with `kill -9`. */
export function mortal(computer: Computer, lastStep: number): { computer: Computer; death: Promise<"killed"> } {
  const { promise: death, resolve: die } = Promise.withResolvers<"killed">();
  let steps = 0;
  let isDead = false;
  const step = () => {
    if (isDead || ++steps < lastStep) return;
    isDead = true;
    die("killed");
  };
  const forever = new Promise<never>(() => {});
  const mortalJournal = through(computer.journal, (call, method) => {
    // To die before or after a read is to die after or before the writes around it.
    const isRead = ["launch", "launches", "runs", "events", "agentToken"].includes(method);
    if (!isRead) step();
    // Nobody is there to catch this: all that could be done about it hangs as well.
    if (isDead) throw new Error("killed");
    const value = call();
    if (!isRead) step();
    if (isDead) throw new Error("killed");
    return value;
  });
  const mortalProvider = through(computer.provider, async (call, method) => {
    step();
    if (isDead) return await forever;
    const [end] = await Promise.allSettled([call()]);
    if (method === "launch" || method === "terminate") step();
    if (isDead) return await forever;
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
  const clock = through(computer.world.clock, (call) => isDead ? forever : call());
  const world = { ...computer.world, clock };
  return { computer: { ...computer, world, journal: mortalJournal, provider: mortalProvider }, death };
}

/** An object whose every method goes through `around`. */
export function through<T extends object>(target: T, around: (call: () => unknown, method: string) => unknown): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const call = (...args: unknown[]) => value.apply(target, args);
      return key === "now" ? call : (...args: unknown[]) => around(() => call(...args), String(key));
    },
  });
}
