import { expect, test } from "bun:test";
import { readSecret } from "../../src/secrets.ts";
import { setUp } from "./configure-fixture.ts";

const dashboard = `lambda:
  api_key: good
  default_region: us-west-1
  filesystem_name: coding-stack
status_daemon: { token: daemon-token, port: 8081 }
defaults: { model: deepseek-r1-70b, gpu: gpu_1x_a100_sxm4_80gb, lease_hours: 6 }
ssh: { key_path: ~/.ssh/id_rsa }
cloudflare: { account: abc, api_token: cf-secret }
tunnel: { sglang_port: 9000, n8n_port: 5678, status_port: 8080 }
custom_models:
  my-model: { params_billions: 13, quantization: fp16, context_length: 4096, colour: blue }
`;

test("takes everything that means something here, and reports the rest", async () => {
  await using home = await setUp();
  await home.write(".config/gpu-dashboard/config.yaml", dashboard);
  await home.write(".ci/config", "# mine\napi_key=ci_old\nserver=https://elsewhere.example\n");
  await home.write(".dumont/config.json", '{ "api_url": "https://dumont.example", "api_key": "dumont-key" }');
  const { exitCode, stdout, stderr, json } = await home.gpu("configure --import --json");
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(await home.config()).toMatchObject({
    profile: "default",
    profiles: { default: { provider: "lambda" } },
    providers: { lambda: { region: "us-west-1", filesystem: "coding-stack", sshKey: "~/.ssh/id_rsa" } },
    defaults: { model: "deepseek-r1-70b", type: ["gpu_1x_h100_pcie"], hours: 6 },
    statusDaemon: { port: 8081 },
    tunnel: { forwards: ["9000:8000", "5678:5678", "8080:agent"] },
    models: { "my-model": { parametersB: 13, precision: "fp16", context: 4096 } },
  });
  expect(await readSecret(home.world, "lambda")).toBe("good");
  expect(await readSecret(home.world, "statusDaemon")).toBe("daemon-token");
  expect(await readSecret(home.world, "ci:default")).toBe("ci_old");
  expect(await readSecret(home.world, "dumont")).toBe("dumont-key");
  const from = "~/.config/gpu-dashboard/config.yaml";
  expect(json().ignored).toEqual([
    { from, key: "cloudflare.account" },
    { from, key: "cloudflare.api_token" },
    { from, key: "custom_models.my-model.colour" },
    { from: "~/.ci/config", key: "server" },
  ]);
  expect(json().notes).toEqual([
    "`gpu_1x_a100_sxm4_80gb` does not exist at Lambda; `gpu_1x_h100_pcie` is the single GPU there with the same 80 GiB",
    "this version cannot rent from dumont; only its key is taken from `~/.dumont/config.json`",
  ]);
  for (const secret of ["daemon-token", "ci_old", "dumont-key", "cf-secret", '"good"']) {
    expect(stdout).not.toContain(secret);
    expect(await home.read(".config/gpu/config.yaml")).not.toContain(secret);
  }
});

test("leaves the old files as they are", async () => {
  await using home = await setUp();
  await home.write(".config/gpu-dashboard/config.yaml", dashboard);
  await home.gpu("configure --import");
  expect(await home.read(".config/gpu-dashboard/config.yaml")).toBe(dashboard);
});

test("keeps what is configured, and a flag wins over a file", async () => {
  await using home = await setUp();
  await home.gpu("configure --provider lambda --api-key other --lease-hours 2");
  await home.write(".config/gpu-dashboard/config.yaml", dashboard);
  const { json } = await home.gpu("configure --import --default-region us-east-1 --json");
  expect(json().kept).toEqual(["defaults.hours", "secret lambda"]);
  expect(await home.config()).toMatchObject({
    defaults: { hours: 2 },
    providers: { lambda: { region: "us-east-1", filesystem: "coding-stack" } },
  });
  expect(await readSecret(home.world, "lambda")).toBe("other");
});

test("a key that is dead is said to be, and the rest is taken", async () => {
  await using home = await setUp();
  await home.write(".config/gpu-dashboard/config.yaml", "lambda: { api_key: dead }\ndefaults: { lease_hours: 3 }\n");
  const { exitCode, json } = await home.gpu("configure --import --json");
  expect(exitCode).toBe(0);
  expect(json().notes.join()).toContain("lambda does not take the key");
  expect((await home.config()).defaults.hours).toBe(3);
});

test("nothing to import is said, and nothing is written", async () => {
  await using home = await setUp();
  const { exitCode, json } = await home.gpu("configure --import --json");
  expect(exitCode).toBe(0);
  expect(json().notes.join()).toContain("there is nothing to import");
  expect(await home.read(".config/gpu/config.yaml")).toBeUndefined();
});

test.each([
  ["YAML", ".config/gpu-dashboard/config.yaml", "lambda: { api_key: s3cret"],
  ["JSON", ".dumont/config.json", '{"api_key": s3cret'],
])("a file that is not %s is named, and its text is not repeated", async (_, path, text) => {
  await using home = await setUp();
  await home.write(path, text);
  const { exitCode, stderr } = await home.gpu("configure --import --verbose");
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`~/${path}`);
  expect(stderr).not.toContain("s3cret");
});

test("values of the wrong kind are reported and not taken", async () => {
  await using home = await setUp();
  const text = "status_daemon: { port: 99999 }\ndefaults: { lease_hours: soon, model: '' }\nlambda: [1, 2]\n";
  await home.write(".config/gpu-dashboard/config.yaml", text);
  const { json } = await home.gpu("configure --import --json");
  expect(json().ignored.map(({ key }: { key: string }) => key)).toEqual([
    "status_daemon.port",
    "defaults.lease_hours",
    "defaults.model",
    "lambda",
  ]);
});
