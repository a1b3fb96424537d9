import { afterAll, describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { LaunchRefused } from "../../src/provider/provider.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { present } from "../fake/ci-world.ts";
import {
  apiKey,
  clientKey,
  data,
  filesystem,
  hostKey,
  instance,
  lambdaFixture,
  launchRequest,
  refusal,
  removeFolders,
  system,
  type,
} from "./lambda-fixture.ts";

afterAll(removeFolders);
const local = { LAMBDA_API_URL: "http://127.0.0.1:4999" };
const launchPath = "POST /instance-operations/launch";

describe("offers", () => {
  test("are cheapest first, in dollars, with all memory together and the preferred region first", async () => {
    const { provider } = lambdaFixture({ region: "us-west-1" }, local);
    expect(await provider.offers()).toEqual([
      {
        type: "cpu_4x_general",
        description: "4x CPU General",
        gpu: undefined,
        gpuCount: 0,
        vramGiB: 0,
        pricePerHour: 0.2,
        regions: ["us-west-1"],
      },
      {
        type: "gpu_1x_a10",
        description: "1x A10 (24 GB PCIe)",
        gpu: "A10",
        gpuCount: 1,
        vramGiB: 24,
        pricePerHour: 0.75,
        regions: ["us-west-1", "us-east-1"],
      },
      {
        type: "gpu_8x_h100_sxm5",
        description: "8x H100 (80 GB SXM5)",
        gpu: "H100",
        gpuCount: 8,
        vramGiB: 640,
        pricePerHour: 23.92,
        regions: [],
      },
    ]);
  });

  test.each([
    ["gpu_1x_rtx6000", "RTX 6000 (24 GB)", 1, "RTX 6000", 24],
    ["gpu_1x_rtx6000", "Quadro RTX 6000 (24 GB)", 1, "RTX 6000", 24],
    ["gpu_8x_v100", "Tesla V100 (16 GB)", 8, "V100", 128],
    ["gpu_8x_b200_sxm6", "B200 (180 GB SXM6)", 8, "B200", 1440],
    ["gpu_1x_gh200", "GH200 (96 GB)", 1, "GH200", 96],
    ["gpu_2x_a6000", "NVIDIA A6000 (48 GB)", 2, "A6000", 96],
    ["gpu_1x_h300_sxm9", "", 1, "H300", 0],
  ])("reads %s, %s", async (name, description, gpus, gpu, vramGiB) => {
    const { cloud, provider } = lambdaFixture({}, local);
    const entry = { instance_type: type(name, description, { gpus, cents: 1 }), regions_with_capacity_available: [] };
    cloud.trouble("GET /instance-types", data({ [name]: { ...entry, a_new_field: 1 } }));
    expect(await provider.offers()).toMatchObject([{ gpu, vramGiB, gpuCount: gpus }]);
  });
});

describe("a launch", () => {
  test("names one key, carries its token twice, and installs its host key", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    expect(await provider.launch(launchRequest({ name: "My_box-0123456789abcdef0123" }))).toEqual({ id: "i-2" });
    expect(cloud.paths()).toEqual(["GET /ssh-keys", "POST /ssh-keys", launchPath]);
    expect(cloud.keys).toEqual([{
      id: "k-1",
      name: expect.stringMatching(/^gpu-[0-9a-f]{16}$/),
      public_key: clientKey,
    }]);
    const { user_data, ...body } = cloud.seen.at(-1)?.body ?? {};
    expect(body).toEqual({
      region_name: "us-west-1",
      instance_type_name: "gpu_1x_a10",
      ssh_key_names: [cloud.keys[0]?.name],
      name: "My_box-0123456789abcdef0123",
      hostname: "my-box-0123456789abcdef0123",
      tags: [{ key: "gpu-token", value: "0123456789abcdef0123" }],
    });
    expect(user_data).toStartWith("#cloud-config\n");
    expect(parse(String(user_data))).toMatchObject({
      ssh_deletekeys: false,
      ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: `${hostKey.publicKey}\n` },
      write_files: [
        { path: "/etc/ssh/ssh_host_ed25519_key", permissions: "0600", content: hostKey.privateKey },
        { path: "/etc/ssh/ssh_host_ed25519_key.pub", permissions: "0644", content: `${hostKey.publicKey}\n` },
      ],
    });
    expect(String(user_data)).not.toContain("a".repeat(64)); // the agent's token comes later, over SSH
  });

  test("carries a person's tags too, and none of them in place of its token", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    await provider.launch(launchRequest({ tags: { team: "a", "gpu-token": "x" } }));
    expect(cloud.seen.at(-1)?.body?.tags).toEqual([
      { key: "gpu-token", value: "0123456789abcdef0123" },
      { key: "team", value: "a" },
    ]);
  });

  test("leaves on a connection of its own and follows no redirect", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    await provider.launch(launchRequest());
    expect(cloud.seen.at(-1)?.init).toMatchObject({ keepalive: false, redirect: "manual" });
  });

  test.each([
    ["ubuntu-lts", { family: "ubuntu-lts" }],
    ["43336648-096d-4cba-9aa2-f9bb7727639d", { id: "43336648-096d-4cba-9aa2-f9bb7727639d" }],
    ["ddaedf1b7a0e41ac981711504493b242", { id: "ddaedf1b7a0e41ac981711504493b242" }],
  ])("knows an image's id from a family: %s", async (image, sent) => {
    const { cloud, provider } = lambdaFixture({}, local);
    await provider.launch(launchRequest({ image, filesystems: ["data"] }));
    expect(cloud.seen.at(-1)?.body).toMatchObject({ image: sent, file_system_names: ["data"] });
  });

  test("uses the key that the account has, whatever its name and comment", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.keys.push({ id: "k", name: "laptop", public_key: clientKey.replace(/gpu$/, "me@laptop") });
    await provider.launch(launchRequest());
    expect(cloud.seen.at(-1)?.body.ssh_key_names).toEqual(["laptop"]);
  });

  test("adds its key where the only name that has it is also another's", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.keys.push({ id: "1", name: "laptop", public_key: clientKey });
    cloud.keys.push({ id: "2", name: "laptop", public_key: generateKeyPair("other").publicKey });
    await provider.launch(launchRequest());
    expect(cloud.seen.at(-1)?.body.ssh_key_names).toEqual([expect.stringMatching(/^gpu-/)]);
  });

  test.each([
    ["refused as a duplicate", () => refusal(400, "global/duplicate", "Name in use.")],
    ["cut", () => system("ECONNRESET")],
  ])("goes on where another process added the key at the same moment, and the answer is %s", async (_, answer) => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.trouble("POST /ssh-keys", () => {
      const { body } = present(cloud.seen.at(-1));
      cloud.keys.push({ id: "k", name: String(body.name), public_key: String(body.public_key) });
      const end = answer();
      if (end instanceof Error) throw end;
      return end;
    });
    expect(await provider.launch(launchRequest())).toEqual({ id: "i-1" });
    expect(cloud.keys).toHaveLength(1);
  });

  test("is refused where its key's name belongs to another key", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    await provider.launch(launchRequest());
    const name = cloud.keys[0]?.name ?? "";
    cloud.keys = [{ id: "k", name, public_key: generateKeyPair("other").publicKey }];
    const error = await provider.launch(launchRequest()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(LaunchRefused);
    expect(error).toMatchObject({ reason: "request", hint: `delete it: \`gpu ssh-key delete ${name}\`` });
  });

  test("that is not wanted any more when its turn comes is not sent", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    const wanted = new AbortController();
    cloud.trouble("GET /ssh-keys", () => wanted.abort(new Error("Ctrl-C")));
    const error = await provider.launch(launchRequest({ wanted: wanted.signal })).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(LaunchRefused);
    expect(cloud.paths()).not.toContain(launchPath);
  });
});

describe("instances", () => {
  test("are shown with token, price and address, and without Jupyter's secret", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [
      instance({ name: "renamed", tags: [{ key: "gpu-token", value: "0123456789abcdef0123" }] }),
      instance({ id: "i-9", name: "box-00000000000000000009", status: "booting" }),
      instance({ id: "i-8", name: undefined, ip: "$(reboot)", a_new_field: {} }),
    ];
    const listed = await provider.list();
    expect(listed).toEqual([
      {
        id: "i-0",
        name: "renamed",
        token: "0123456789abcdef0123",
        state: "running",
        type: "gpu_1x_a10",
        region: "us-west-1",
        pricePerHour: 0.75,
        ssh: { host: "192.0.2.7", port: 22, user: "ubuntu" },
      },
      expect.objectContaining({ id: "i-9", token: "00000000000000000009", state: "booting", ssh: undefined }),
      expect.objectContaining({ id: "i-8", name: "", token: undefined, ssh: undefined }),
    ]);
    expect(JSON.stringify(listed)).not.toContain("jupyter");
    expect(await provider.get("i-0")).toEqual(listed[0]);
    expect(await provider.get("i-404")).toBeUndefined();
  });

  test.each([
    ["booting", "booting"],
    ["active", "running"],
    ["unhealthy", "unhealthy"],
    ["terminating", "stopping"],
    ["terminated", "stopped"],
    ["preempted", "unhealthy"], // as long as it can be terminated it may cost money
    ["hibernating", "booting"], // not known: it may be stopped and is never given up
    ["constructor", "booting"],
  ])("in Lambda's state %s are %s", async (status, state) => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [instance({ status })];
    expect(await provider.get("i-0")).toMatchObject({ state });
  });

  test("that were preempted and cannot be terminated are gone", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [instance({ status: "preempted", actions: { terminate: { available: false } } })];
    expect(await provider.get("i-0")).toMatchObject({ state: "stopped" });
  });

  test("of an emulator may answer at another port", async () => {
    const { cloud, provider, another } = lambdaFixture({}, local);
    cloud.instances = [instance({ ssh_port: 4022 })];
    expect((await provider.list())[0]?.ssh?.port).toBe(4022);
    expect((await another({}, {}).list())[0]?.ssh?.port).toBe(22);
  });

  test("with only an id and a status are still there to be stopped", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [{ id: "i-0", status: "active", instance_type: 7, tags: "x", actions: null }];
    expect(await provider.list()).toMatchObject([{ id: "i-0", state: "running", pricePerHour: 0 }]);
  });

  test("carry nothing that steers a terminal", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [instance({ name: "a\x1b]0;title\x07b" })];
    expect((await provider.list())[0]?.name).toBe("a ]0;title b");
  });
});

describe("terminate", () => {
  const terminate = async (status: string, trouble?: Response, available = true) => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [instance({ status, actions: { terminate: { available } } })];
    if (trouble) cloud.trouble("POST /instance-operations/terminate", trouble);
    return await provider.terminate("i-0").catch((error: unknown) => error);
  };
  const invalid = () => refusal(400, "global/invalid-parameters", "Cannot.");

  test("is accepted", async () => expect(await terminate("active")).toBe("accepted"));
  test("of what is not there", async () => {
    expect(await terminate("active", refusal(404, "global/object-does-not-exist"))).toBe("gone");
    expect(await terminate("active", refusal(400, "global/object-does-not-exist"))).toBe("gone");
  });
  test("is not yet possible while it boots", async () => {
    expect(await terminate("booting", invalid())).toBe("not-yet");
    expect(await terminate("active", refusal(409, "global/conflict"), false)).toBe("not-yet");
    expect(await terminate("active", data({ terminated_instances: [] }))).toBe("not-yet");
  });
  test("of what ends already", async () => {
    expect(await terminate("terminating", invalid())).toBe("accepted");
    expect(await terminate("terminated", invalid())).toBe("gone");
  });
  test("that is refused for another reason says so", async () => {
    expect(await terminate("active", invalid())).toMatchObject({
      message: "cannot terminate `i-0`: Cannot (400 global/invalid-parameters, request r-1)",
    });
  });
  test("takes a 404 of somebody else, or of a wrong address, for no answer", async () => {
    expect(await terminate("active", refusal(404, "global/not-found"))).toMatchObject({ code: "global/not-found" });
    expect(await terminate("active", new Response("<html>", { status: 404 }))).toMatchObject({ status: 404 });
  });
  test("is repeated where the answer is lost", async () => {
    const { cloud, provider } = lambdaFixture();
    cloud.instances = [instance()];
    cloud.trouble("POST /instance-operations/terminate", system("ECONNRESET"), new Response("", { status: 503 }));
    expect(await provider.terminate("i-0")).toBe("accepted");
    expect(cloud.seen).toHaveLength(3);
  });
});

describe("the rest", () => {
  test("restart, which is not repeated, and says why not", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [instance()];
    await provider.restart?.("i-0");
    cloud.trouble("POST /instance-operations/restart", refusal(409, "global/conflict", "It boots."));
    expect(await provider.restart?.("i-0").catch((error: unknown) => error)).toMatchObject({
      message: "cannot restart `i-0`: It boots (409 global/conflict, request r-1)",
      hint: "wait until what is going on with it is over, then try again",
    });
    expect(cloud.seen).toHaveLength(2);
  });

  test("rename keeps the launch token in the name", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.instances = [instance({ name: "box-0123456789abcdef0123" }), instance({ id: "i-1" })];
    await provider.rename?.("i-0", "x".repeat(60));
    expect(cloud.instances[0]?.name).toBe(`${"x".repeat(43)}-0123456789abcdef0123`);
    await provider.rename?.("i-1", "theirs");
    expect(cloud.instances[1]?.name).toBe("theirs");
  });

  test("images", async () => {
    const { provider } = lambdaFixture({}, local);
    expect(await provider.images?.()).toMatchObject([{ family: "ubuntu-lts", region: "us-west-1" }]);
  });

  test("filesystems are spelled by verb", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.filesystems = [filesystem({ bytes_used: 5 })];
    expect(await provider.filesystems?.list()).toEqual([{
      id: "fs-1",
      name: "data",
      region: "us-west-1",
      mountPoint: "/lambda/nfs/data",
      isInUse: false,
      bytesUsed: 5,
    }]);
    expect(await provider.filesystems?.create({ name: "new", region: "us-east-1" })).toMatchObject({ name: "new" });
    cloud.trouble("DELETE /filesystems/fs-1", refusal(400, "filesystems/filesystem-in-use", "Filesystem is in use."));
    expect(await provider.filesystems?.delete("fs-1").catch((error: unknown) => error)).toMatchObject({
      message:
        "cannot delete the filesystem `fs-1`: Filesystem is in use (400 filesystems/filesystem-in-use, request r-1)",
      hint: "stop the instances that mount it first; `gpu status` lists them",
    });
    expect(cloud.paths()).toEqual(["GET /file-systems", "POST /filesystems", "DELETE /filesystems/fs-1"]);
  });

  test("SSH keys never come with a private half", async () => {
    const { cloud, provider } = lambdaFixture({}, local);
    cloud.trouble("POST /ssh-keys", data({ id: "k", name: "n", public_key: clientKey, private_key: "secret" }));
    expect(await provider.sshKeys?.add({ name: "n", publicKey: clientKey })).toEqual({
      id: "k",
      name: "n",
      publicKey: clientKey,
    });
    cloud.trouble("DELETE /ssh-keys/a%2Fb", refusal(404, "global/object-does-not-exist", "No such key."));
    expect(await provider.sshKeys?.delete("a/b").catch((error: unknown) => error)).toMatchObject({ kind: "not-found" });
  });

  test("the account is a name for the key, and asks once whether it is accepted", async () => {
    const { cloud, provider, another } = lambdaFixture({}, local);
    const account = await provider.account?.();
    expect(account).toMatch(/^127\.0\.0\.1:4999\/[0-9a-f]{12}$/);
    expect(account).not.toContain(apiKey);
    await provider.account?.();
    expect(cloud.paths()).toEqual(["GET /instances"]);
    const wrong = another({}, { ...local, LAMBDA_API_KEY: "wrong" });
    expect(await wrong.account?.().catch((error: unknown) => error)).toMatchObject({ name: "LoginError", exitCode: 4 });
  });
});
