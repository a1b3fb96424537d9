import type { Offer } from "../provider/provider.ts";
import type { Session } from "../ssh/session.ts";
import { GpuError } from "../errors.ts";
import { NeverReady } from "./ready.ts";

/** What `nvidia-smi` says of one GPU. */
interface SeenGpu {
  readonly name: string;
  readonly memoryMiB: number;
  /** Errors that were not corrected since boot; undefined where the GPU does not count them. */
  readonly eccErrors: number | undefined;
}

/** How much less than the promised memory a GPU may show: ECC and the driver take a part. */
const memoryTolerance = 0.85;

// Both questions in one round trip. dmesg is often for root only; then its log simply says nothing.
const question = "nvidia-smi --query-gpu=name,memory.total,ecc.errors.uncorrected.volatile.total " +
  "--format=csv,noheader,nounits; echo \"exit $?\"; dmesg 2>/dev/null | grep -i 'NVRM: Xid' | tail -n 3";

/**
 * Whether the machine has the GPUs that are paid for, and they work. Throws `NeverReady` for the wrong ones or broken
 * ones, which no waiting mends, and an ordinary error while the driver does not answer yet.
 */
export async function checkHandover(session: Session, offer: Offer, signal: AbortSignal): Promise<void> {
  if (offer.gpuCount === 0) return;
  const chunks: Uint8Array[] = [];
  await session.exec(question, { signal, onStdout: (chunk) => void chunks.push(chunk) });
  const fault = judgeHandover(Buffer.concat(chunks).toString(), offer);
  if (fault?.isFinal) throw new NeverReady(`it is not what is paid for: ${fault.why}`);
  if (fault) throw new GpuError(fault.why);
}

/** What is wrong with the answer, if anything; `isFinal`: waiting does not mend it. */
export function judgeHandover(answer: string, offer: Offer): { why: string; isFinal: boolean } | undefined {
  const [smi = "", log = ""] = answer.split(/^exit \d+$/m);
  const exit = Number(/^exit (\d+)$/m.exec(answer)?.[1] ?? "1");
  if (exit === 127) return { why: "it has no NVIDIA driver", isFinal: true };
  if (exit !== 0) return { why: "its NVIDIA driver does not answer", isFinal: false };
  const seen = smi.split("\n").filter((line) => line.trim() !== "").map(readGpu);
  if (seen.length !== offer.gpuCount) return { why: `it has ${seen.length} of ${offer.gpuCount} GPUs`, isFinal: true };
  const wrong = seen.find(({ name }) => !isModel(name, offer.gpu));
  if (wrong) return { why: `its GPU is \`${wrong.name}\`, not ${offer.gpu}`, isFinal: true };
  const promisedMiB = offer.vramGiB * 1024 / offer.gpuCount;
  const small = seen.find(({ memoryMiB }) => memoryMiB < promisedMiB * memoryTolerance);
  if (small) return { why: `its GPU has ${Math.round(small.memoryMiB / 1024)} GiB of memory`, isFinal: true };
  const broken = seen.find(({ eccErrors = 0 }) => eccErrors > 0);
  if (broken) return { why: `its GPU has ${broken.eccErrors} memory errors that were not corrected`, isFinal: true };
  const xid = log.trim().split("\n").at(-1);
  return xid ? { why: `its log has a GPU error: ${xid}`, isFinal: true } : undefined;
}

function readGpu(line: string): SeenGpu {
  const [name = "", memory = "", errors = ""] = line.split(",").map((cell) => cell.trim());
  const count = Number(errors);
  return {
    name,
    memoryMiB: Number(memory) || 0,
    eccErrors: Number.isInteger(count) && errors !== "" ? count : undefined,
  };
}

/** `NVIDIA A100-SXM4-40GB` is an A100; `NVIDIA A10` is not. */
function isModel(name: string, model: string | undefined): boolean {
  if (model === undefined) return true;
  const words = (text: string) =>
    text.toUpperCase().replace(/\b(NVIDIA|TESLA|QUADRO|GEFORCE)\b/g, "").split(/[^A-Z0-9]+/);
  const wanted = words(model).filter((word) => word !== "");
  const has = words(name);
  return wanted.length === 0 || has.includes(wanted[0] ?? "");
}
