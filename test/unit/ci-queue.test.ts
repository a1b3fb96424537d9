import { expect, test } from "bun:test";
import { FairQueue } from "../../src/ci/server/queue.ts";

function drain(queue: FairQueue): string[] {
  const ids: string[] = [];
  for (let id = queue.next(); id !== undefined; id = queue.next()) ids.push(id);
  return ids;
}

function queued(...ids: string[]): FairQueue {
  const queue = new FairQueue();
  for (const id of ids) queue.add({ id, userId: id.slice(0, 1) });
  return queue;
}

test("who submits a hundred jobs does not keep others waiting for all of them", () => {
  expect(drain(queued("a1", "a2", "a3", "a4", "b1", "b2", "c1"))).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
});

test("who comes later is next once the others had a turn", () => {
  const queue = queued("a1", "a2", "a3");
  expect(queue.next()).toBe("a1");
  queue.add({ id: "b1", userId: "b" });
  expect(drain(queue)).toEqual(["b1", "a2", "a3"]);
});

test("what is taken out has no turn", () => {
  const queue = queued("a1", "a2", "b1");
  expect(queue.remove("b1")).toBe(true);
  expect(queue.remove("b1")).toBe(false);
  expect(drain(queue)).toEqual(["a1", "a2"]);
});
