import { z } from "zod";
import type { Config } from "../config.ts";
import { GpuError, NotFoundError } from "../errors.ts";
import { didYouMean } from "../surface/suggest.ts";
import { knownModels } from "./table.ts";
import { fitsInto, precisions, smallestGpuGiB, vramNeeded, withHeadroom } from "./vram.ts";

/** A model and what serving it takes, as `gpu models list` shows it. */
export const Model = z.object({
  model: z.string().describe("what `--model` takes"),
  name: z.string().describe("its full name"),
  huggingFace: z.string().nullable().describe("its repository on Hugging Face"),
  parametersB: z.number().nullable().describe("thousand millions of parameters"),
  precision: z.enum(precisions).describe("how its weights are stored"),
  context: z.number().int().describe("tokens of context it is served with"),
  vramGiB: z.number().describe("GPU memory it needs, in GiB: an estimate"),
  gpuGiB: z.number().nullable().describe("smallest GPU memory it fits into, with 10 % to spare; null: none does"),
  isOwn: z.boolean().describe("whether it is from your configuration"),
});
export type Model = z.output<typeof Model>;

/** Every known model, the user's own first; one of theirs takes the place of ours with the same name. */
export function allModels(config: Pick<Config, "models">): Model[] {
  const own = Object.entries(config.models).map(([model, settings]) => {
    const known = knownModels.find((other) => other.model === model);
    const parametersB = settings.parametersB ?? known?.parametersB ?? null;
    const precision = settings.precision ?? known?.precision ?? "bf16";
    const context = settings.context ?? known?.context ?? 8192;
    return toModel({
      model,
      name: settings.name ?? known?.name ?? model,
      huggingFace: settings.huggingFace ?? known?.huggingFace ?? null,
      parametersB,
      precision,
      context,
      vramGiB: settings.vramGiB ?? estimate({ model, parametersB, precision, context }),
      isOwn: true,
    });
  });
  const others = knownModels.filter(({ model }) => !Object.hasOwn(config.models, model));
  return [...own, ...others.map((known) => toModel({ ...known, vramGiB: vramNeeded(known), isOwn: false }))];
}

/** The model that a person calls `name`: its short name, its full one, or its repository; case does not matter. */
export function findModel(config: Pick<Config, "models">, name: string): Model | undefined {
  const wanted = name.toLowerCase();
  return allModels(config).find(({ model, name, huggingFace }) =>
    [model, name, huggingFace].some((other) => other?.toLowerCase() === wanted)
  );
}

/** The same, and an error with the nearest names where there is none. */
export function getModel(config: Pick<Config, "models">, name: string): Model {
  const found = findModel(config, name);
  if (found) return found;
  const names = allModels(config).map(({ model }) => model);
  throw new NotFoundError(`no model \`${name}\` is known`, {
    hint: didYouMean(name.toLowerCase(), names, (word) => word) ??
      "`gpu models list` shows what is known; your own go under `models:` in the configuration",
  });
}

/** Whether a model can be served with that much GPU memory, all GPUs together. */
export function modelFits({ vramGiB: neededGiB }: Pick<Model, "vramGiB">, { vramGiB }: { vramGiB: number }): boolean {
  return fitsInto(neededGiB, vramGiB);
}

/** The least memory an offer must have for it, in GiB: what it needs, with room to spare. */
export function minVramGiB({ vramGiB }: Pick<Model, "vramGiB">): number {
  return withHeadroom(vramGiB);
}

function estimate(
  { model, parametersB, precision, context }: Pick<Model, "model" | "parametersB" | "precision" | "context">,
) {
  if (parametersB !== null) return vramNeeded({ parametersB, precision, context });
  throw new GpuError(`the configuration's \`models.${model}\` says neither \`parametersB\` nor \`vramGiB\``, {
    hint: "one of them is needed to know which GPUs it fits into",
  });
}

function toModel(model: Omit<Model, "gpuGiB">): Model {
  return { ...model, gpuGiB: smallestGpuGiB(model.vramGiB) ?? null };
}
