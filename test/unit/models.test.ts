import { describe, expect, test } from "bun:test";
import { Config } from "../../src/config.ts";
import { allModels, findModel, getModel, minVramGiB, modelFits } from "../../src/models/models.ts";
import { knownModels } from "../../src/models/table.ts";
import { smallestGpuGiB, vramNeeded } from "../../src/models/vram.ts";

const none = Config.parse({});

describe("the memory a model needs", () => {
  test.each(
    [
      [{ parametersB: 70, precision: "int4", context: 8192 }, 44.5, 80],
      [{ parametersB: 32, precision: "fp16", context: 32768 }, 76.4, 160],
      [{ parametersB: 32, precision: "int4", context: 32768 }, 23.6, 40],
      [{ parametersB: 8, precision: "fp16", context: 8192 }, 23.6, 40],
      [{ parametersB: 34, precision: "fp16", context: 16384 }, 80.8, 160],
      [{ parametersB: 7, precision: "fp16", context: 32768 }, 21.4, 24],
      [{ parametersB: 1, precision: "fp32", context: 2048 }, 7.4, 16],
      [{ parametersB: 1, precision: "int8", context: 1024 }, 3.6, 16],
      [{ parametersB: 671, precision: "fp8", context: 32768 }, 744.1, 1440],
    ] as const,
  )("%o", (model, neededGiB, gpuGiB) => {
    expect(vramNeeded(model)).toBe(neededGiB);
    expect(smallestGpuGiB(vramNeeded(model))).toBe(gpuGiB);
  });

  test("no GPU is large enough for everything", () => {
    expect(smallestGpuGiB(2000)).toBeUndefined();
  });

  test("several GPUs count together, and a tenth stays free", () => {
    const model = getModel(none, "llama-3.1-70b");
    expect(modelFits(model, { vramGiB: 48 })).toBe(false);
    expect(modelFits(model, { vramGiB: 2 * 40 })).toBe(true);
    expect(minVramGiB(model)).toBe(48.95);
  });
});

describe("a model", () => {
  test.each(["mistral-7b", "MISTRAL-7B", "mistralai/Mistral-7B-Instruct-v0.3", "mistral 7b instruct V0.3"])(
    "is found as %s",
    (name) => expect(getModel(none, name).model).toBe("mistral-7b"),
  );

  test("that nobody knows is an error with the nearest name", () => {
    expect(findModel(none, "mistrel-7b")).toBeUndefined();
    expect(() => getModel(none, "mistrel-7b")).toThrow("no model `mistrel-7b` is known");
    expect(caught(() => getModel(none, "mistrel-7b"))).toMatchObject({ hint: "did you mean `mistral-7b`?" });
    expect(caught(() => getModel(none, "something else"))).toMatchObject({ hint: expect.stringContaining("models:") });
  });

  test("of the user's own comes first, and one with a known name changes only what it says", () => {
    const config = Config.parse({
      models: { mine: { vramGiB: 30 }, "llama-3.1-8b": { precision: "int4" } },
    });
    const [mine, llama, ...others] = allModels(config);
    expect(mine).toMatchObject({ model: "mine", vramGiB: 30, gpuGiB: 40, isOwn: true, parametersB: null });
    expect(llama).toMatchObject({ huggingFace: "meta-llama/Llama-3.1-8B-Instruct", vramGiB: 10.4, isOwn: true });
    expect(others).toHaveLength(knownModels.length - 1);
  });

  test("of which neither size nor memory is known is an error that names it", () => {
    const config = Config.parse({ models: { mine: { context: 4096 } } });
    expect(() => allModels(config)).toThrow("models.mine");
  });

  test("in the configuration has no other fields", () => {
    expect(Config.safeParse({ models: { mine: { parameters: 7 } } }).success).toBe(false);
    expect(Config.safeParse({ models: { mine: { parametersB: 7, precision: "int3" } } }).success).toBe(false);
  });
});

test("every known model has a name of its own and fits somewhere", () => {
  const names = knownModels.map(({ model }) => model);
  expect(new Set(names).size).toBe(names.length);
  expect(allModels(none).filter(({ gpuGiB }) => gpuGiB === null)).toEqual([]);
});

function caught(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
