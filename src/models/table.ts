import type { Precision } from "./vram.ts";

/** What is known of a model. */
export interface KnownModel {
  /** What people type. */
  readonly model: string;
  readonly name: string;
  /** Where its weights are on Hugging Face. */
  readonly huggingFace: string;
  /** Thousand millions of parameters, as its name says: the formula's allowances were made for these. */
  readonly parametersB: number;
  /** How it is served; `int4` of a repository in bf16 is made while it loads. */
  readonly precision: Precision;
  /** Tokens of context it is served with. */
  readonly context: number;
}

/** Models that `gpu` knows of itself. */
export const knownModels: readonly KnownModel[] = [
  {
    model: "deepseek-r1-70b",
    name: "DeepSeek-R1-Distill-Llama-70B",
    huggingFace: "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
    parametersB: 70,
    precision: "int4",
    context: 8192,
  },
  {
    model: "llama-3.1-70b",
    name: "Llama 3.1 70B Instruct",
    huggingFace: "meta-llama/Llama-3.1-70B-Instruct",
    parametersB: 70,
    precision: "int4",
    context: 8192,
  },
  {
    model: "llama-3.1-8b",
    name: "Llama 3.1 8B Instruct",
    huggingFace: "meta-llama/Llama-3.1-8B-Instruct",
    parametersB: 8,
    precision: "bf16",
    context: 8192,
  },
  {
    model: "qwen2.5-coder-32b",
    name: "Qwen2.5-Coder 32B Instruct",
    huggingFace: "Qwen/Qwen2.5-Coder-32B-Instruct",
    parametersB: 32.5,
    precision: "bf16",
    context: 32768,
  },
  {
    model: "qwen2.5-coder-32b-int4",
    name: "Qwen2.5-Coder 32B Instruct AWQ",
    huggingFace: "Qwen/Qwen2.5-Coder-32B-Instruct-AWQ",
    parametersB: 32.5,
    precision: "int4",
    context: 32768,
  },
  {
    model: "codellama-34b",
    name: "Code Llama 34B Instruct",
    huggingFace: "codellama/CodeLlama-34b-Instruct-hf",
    parametersB: 34,
    precision: "bf16",
    context: 16384,
  },
  {
    model: "mistral-7b",
    name: "Mistral 7B Instruct v0.3",
    huggingFace: "mistralai/Mistral-7B-Instruct-v0.3",
    parametersB: 7,
    precision: "bf16",
    context: 32768,
  },
];
