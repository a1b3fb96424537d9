import { afterEach, expect, spyOn, test } from "bun:test";
import { endMarked, findMarked, markVariable } from "../../src/provider/local/hunt.ts";
import { ciWorld } from "../fake/ci-world.ts";

const world = ciWorld({ home: "/" });
const token = Buffer.from(world.random(10)).toString("hex");
const marked = () => Bun.spawn(["sleep", "97"], { env: { ...process.env, [markVariable]: token } });

let restore = () => {};
afterEach(async () => {
  restore();
  for (const pid of await findMarked({ world, token })) process.kill(pid, "SIGKILL");
});

/** Signals to this process are refused, as to one of another user. */
function protect(pid: number): void {
  const kill = process.kill.bind(process);
  const spy = spyOn(process, "kill").mockImplementation((target, signal) => {
    if (target !== pid) return kill(target, signal);
    throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
  });
  restore = () => void spy.mockRestore();
}

test.skipIf(process.platform !== "linux")(
  "a process of another user stops nobody from ending the rest, and is named",
  async () => {
    const [stranger, own] = [marked(), marked()];
    protect(stranger.pid);
    const error = await endMarked({ world, token, pid: undefined }).catch((error: unknown) => error);
    expect(error).toMatchObject({
      message: `processes that the machine started belong to another user, who alone can end them: ${stranger.pid}`,
    });
    expect((await own.exited) > 0).toBe(true);
  },
);

test.skipIf(process.platform !== "linux")("a process that ends by itself is waited for", async () => {
  const own = marked();
  await endMarked({ world, token, pid: undefined });
  await own.exited;
  expect(own.signalCode).toBe("SIGTERM");
});
