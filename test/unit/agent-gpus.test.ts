import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gpus } from "../../src/agent/gpus.ts";
import { parseGpus, readGpus } from "../../src/agent/nvidia-smi.ts";
import { fakeNvidiaSmi } from "../../src/provider/local/fake-gpu.ts";
import { ciWorld } from "../fake/ci-world.ts";
import { FakeClock } from "../fake/clock.ts";

const fields = ["index", "uuid", "utilization.gpu", "memory.used", "power.draw", "name"] as const;

describe("what nvidia-smi prints", () => {
  test("is read by position, for each GPU", () => {
    const gpus = parseGpus(
      "0, GPU-a, 7, 512, 71.30, NVIDIA H200\n1, GPU-b, 100, 143000, 690.00, NVIDIA H200\n",
      fields,
    );
    expect(gpus).toMatchObject([
      { index: 0, uuid: "GPU-a", utilization: 7, memoryUsedMiB: 512, powerW: 71.3, name: "NVIDIA H200" },
      { index: 1, uuid: "GPU-b", utilization: 100, memoryUsedMiB: 143000, powerW: 690 },
    ]);
  });

  test("is null where it is not a number, never 0", () => {
    const words = [
      "[N/A]",
      "[Not Supported]",
      "N/A",
      "[Insufficient Permissions]",
      "[Requested functionality has been deprecated]",
    ];
    for (const word of words) {
      const [gpu] = parseGpus(`0, GPU-a, ${word}, ${word}, ${word}, NVIDIA L40S`, fields) ?? [];
      expect(gpu).toMatchObject({ utilization: null, memoryUsedMiB: null, powerW: null, name: "NVIDIA L40S" });
    }
  });

  test("may name a GPU with a comma", () => {
    expect(parseGpus("0, GPU-a, 1, 2, 3, A, B", fields)?.[0]?.name).toBe("A, B");
  });

  test("is nothing when it is an excuse", () => {
    expect(parseGpus('Field "x" is not a valid field to query.', fields)).toBeUndefined();
    expect(parseGpus("No devices were found", fields)).toBeUndefined();
    expect(parseGpus("", fields)).toBeUndefined();
  });
});

/** A machine whose `nvidia-smi` is this script. */
function machine(script: string, clock = new FakeClock({ mode: "manual" })) {
  const folder = mkdtempSync(join(tmpdir(), "gpu-smi-"));
  writeFileSync(join(folder, "nvidia-smi"), script, { mode: 0o700 });
  const world = ciWorld({ home: folder, env: { PATH: `${folder}:/usr/bin:/bin`, HOME: folder }, clock });
  return { world, folder, clock, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Two parts of one divided GPU; what `-q` says is as deep and as wide as a real one says it. */
const divided = `#!/bin/sh
case "$*" in
  --query-gpu=*) echo '0, GPU-1, 590.48.01, 00000000:83:00.0, 28, [N/A], 143771, 55, 143100, 78.00, 700.00, [N/A], Enabled, NVIDIA H200' ;;
  --query-compute-apps=*) cat "$(dirname "$0")/processes" 2>/dev/null || true ;;
  -L) cat <<'END'
GPU 0: NVIDIA H200 (UUID: GPU-1)
  MIG 1c.3g.71gb  Device  0: (UUID: MIG-a)
  MIG 1g.18gb     Device  1: (UUID: MIG-b)
END
  ;;
  -q) cat <<'END'
==============NVSMI LOG==============

Attached GPUs                                          : 1
GPU 00000000:83:00.0
    Product Name                                       : NVIDIA H200
    MIG Mode
        Current                                        : Enabled
    MIG Device
        Index                                          : 0
        GPU Instance ID                                : 2
        Compute Instance ID                            : 0
        Device Attributes
            Shared
                Multiprocessor count                   : 16
        Shared FB Memory Usage
            Total                                      : 71424 MiB
            Reserved                                   : 0 MiB
            Used                                       : 22 MiB
            Free                                       : 71403 MiB
        Shared BAR1 Memory
            Total                                      : 59237 MiB
            Used                                       : 0 MiB
    MIG Device
        Index                                          : 1
        GPU Instance ID                                : 9
        Compute Instance ID                            : 0
        FB Memory Usage
            Total                                      : 16384 MiB
            Used                                       : 9 MiB
    FB Memory Usage
        Total                                          : 143771 MiB
END
  ;;
esac
`;

describe("the GPUs of a machine", () => {
  test("that are divided are listed with their parts, and their use is not known", async () => {
    using at = machine(divided);
    expect(await readGpus(at.world)).toMatchObject([{
      isDivided: true,
      utilization: null,
      memoryTotalMiB: 143771,
      parts: [
        { device: 0, profile: "1c.3g.71gb", uuid: "MIG-a", gpuInstance: "2", memoryTotalMiB: 71424, memoryUsedMiB: 22 },
        { device: 1, profile: "1g.18gb", uuid: "MIG-b", gpuInstance: "9", memoryTotalMiB: 16384, memoryUsedMiB: 9 },
      ],
    }]);
  });

  test("that are divided are in use as long as a process computes on them", async () => {
    using at = machine(divided);
    const gpus = new Gpus(at.world);
    expect(await at.clock.run(gpus.isBusy(), { upTo: 0 })).toBe(false);
    writeFileSync(join(at.folder, "processes"), "4711\n");
    expect(await at.clock.run(gpus.isBusy(), { upTo: 0 })).toBe(true);
  });

  test("of an old driver are asked for without what it does not know", async () => {
    using at = machine(`#!/bin/sh
case "$*" in *mig.mode*) echo 'Field "mig.mode.current" is not a valid field to query.'; exit 2 ;; esac
echo '0, GPU-1, 418.40, 00000000:01:00.0, 40, 93, 16160, 15000, 1160, 200.10, 300.00, Tesla V100'
`);
    expect(await readGpus(at.world)).toMatchObject([{ name: "Tesla V100", utilization: 93, isDivided: false }]);
  });

  test("are asked for once in two seconds, however many ask", async () => {
    using at = machine(`#!/bin/sh
echo asked >>"$(dirname "$0")/count"
echo '0, GPU-1, 590, 00000000:01:00.0, 40, 12, 1000, 100, 900, 60.00, 300.00, 3, Disabled, NVIDIA A10'
`);
    const count = async () => (await Bun.file(join(at.folder, "count")).text()).split("\n").length - 1;
    const gpus = new Gpus(at.world);
    const answers = await at.clock.run(Promise.all([gpus.now(), gpus.now(), gpus.now()]), { upTo: 0 });
    expect(answers.map((answer) => answer?.[0]?.utilization)).toEqual([12, 12, 12]);
    await gpus.now();
    expect(await count()).toBe(1);
    at.clock.sleep(2_000);
    at.clock.next({ upTo: 2_000 });
    await at.clock.run(gpus.now(), { upTo: 0 });
    expect(await count()).toBe(2);
  });

  test("keep nobody waiting when the driver hangs", async () => {
    using at = machine("#!/bin/sh\nexec sleep 5\n");
    const gpus = new Gpus(at.world);
    expect(await at.clock.run(gpus.now(), { upTo: 2_000 })).toBeUndefined();
    // Its process is ended, in its time.
    await at.clock.run(Promise.resolve(), { upTo: 0 });
    while (at.clock.next({ upTo: 30_000 }));
  });

  test("are none where there is no driver", async () => {
    using at = machine("");
    rmSync(join(at.folder, "nvidia-smi"));
    expect(await readGpus({ ...at.world, env: { PATH: at.folder } })).toBeUndefined();
  });

  test("of a pretended one are read too", async () => {
    using at = machine(fakeNvidiaSmi("h100"));
    expect(await readGpus(at.world)).toMatchObject([{ index: 0, utilization: 0, memoryTotalMiB: 81559 }]);
  });
});
