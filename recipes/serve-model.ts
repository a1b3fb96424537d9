import { gpu, recipe, secrets, z } from "gpu";

// An environment of its own: the system's Python may forbid to install beside its packages.
const vllm = "python3 -m venv .serve && .serve/bin/pip install --quiet vllm && " +
  'exec .serve/bin/vllm serve "$MODEL" --host 127.0.0.1 --port "$PORT"';

export default recipe({
  summary: "Serve a model on a rented GPU, at a port of this computer",
  description:
    "Rents what has the memory for the model, starts a server that speaks OpenAI's protocol and waits until it answers.\n" +
    "Both go on until the lease ends, the server and the tunnel to it; `gpu stop` ends them earlier. Where Hugging Face asks\n" +
    "for a login, `gpu secret set HF_TOKEN` keeps yours: the server finds it in its environment.",
  budget: 20, // US dollars: price × hours, checked before anything is rented
  input: z.object({
    model: z.string().default("qwen2.5-coder-32b-int4").meta({
      positional: true,
      description: "model of `gpu models list`; with --type, whatever the server knows",
    }),
    server: z.string().default(vllm).meta({
      placeholder: "command",
      description: "serves $MODEL at $PORT there; vLLM when left out",
    }),
    dir: z.string().optional().meta({
      placeholder: "folder",
      complete: "folder",
      description: "folder that the server runs in, sent there first",
    }),
    type: z.string().optional().describe("instance type; the cheapest that has the memory when left out"),
    hours: z.number().default(4).describe("lease: so long it serves"),
    port: z.number().int().default(8000).describe("port of the server there"),
    localPort: z.number().int().default(0).describe("port here; 0 is any free one"),
    patience: z.duration().default("30m").describe("how long it may take until it answers"),
  }),

  async run({ model, server, dir, type, hours, port, localPort, patience }) {
    const known = (await gpu.models.list()).find((each) => each.model === model);
    const name = known?.huggingFace ?? model;
    const token = await secrets.find("HF_TOKEN");

    await using box = await gpu.start(type === undefined ? { model, hours } : { type, hours });
    if (dir !== undefined) await box.sync(dir, "server");
    const job = await box.job("serve", server, {
      cwd: dir === undefined ? "~" : "server",
      env: { MODEL: name, PORT: String(port), ...(token && { HF_TOKEN: token }) },
    });

    await using tunnel = await box.tunnel({ forward: [`${localPort}:${port}`] });
    const url = `${tunnel.url}/v1`;
    await job.ready(async (signal) => (await fetch(`${url}/models`, { signal })).ok, { timeout: patience });

    await tunnel.keep(); // from here on both end with the lease, not with this run
    await box.keep({ why: `serves ${name}` });
    return { url, model: name, instance: box.id, until: box.expiresAt.toISOString() };
  },

  view: ({ url, model, instance, until }) =>
    `${model} answers at ${url} until ${new Date(until).toLocaleTimeString()}

  curl ${url}/chat/completions -H 'content-type: application/json' -d '${
      JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] })
    }'

\`gpu job log serve\` shows what it says, \`gpu stop ${instance}\` ends it`,
});
