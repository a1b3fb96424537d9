interface Model {
  readonly name: string;
  readonly memoryMiB: number;
  readonly powerW: number;
  readonly computeCapability: string;
  /** Whether it counts memory errors: cards for games do not. */
  readonly hasEcc: boolean;
}

const models: Readonly<Record<string, Model>> = {
  "a10": { name: "NVIDIA A10", memoryMiB: 23028, powerW: 150, computeCapability: "8.6", hasEcc: true },
  "a100": { name: "NVIDIA A100-SXM4-80GB", memoryMiB: 81920, powerW: 400, computeCapability: "8.0", hasEcc: true },
  "a100-sxm4-40gb": {
    ...{ name: "NVIDIA A100-SXM4-40GB", memoryMiB: 40960, powerW: 400, computeCapability: "8.0", hasEcc: true },
  },
  "a100-pcie-40gb": {
    ...{ name: "NVIDIA A100-PCIE-40GB", memoryMiB: 40960, powerW: 250, computeCapability: "8.0", hasEcc: true },
  },
  "a6000": { name: "NVIDIA RTX A6000", memoryMiB: 49140, powerW: 300, computeCapability: "8.6", hasEcc: true },
  "b200": { name: "NVIDIA B200", memoryMiB: 183359, powerW: 1000, computeCapability: "10.0", hasEcc: true },
  "gh200": { name: "NVIDIA GH200 480GB", memoryMiB: 97871, powerW: 900, computeCapability: "9.0", hasEcc: true },
  "h100": { name: "NVIDIA H100 80GB HBM3", memoryMiB: 81559, powerW: 700, computeCapability: "9.0", hasEcc: true },
  "h100-pcie": { name: "NVIDIA H100 PCIe", memoryMiB: 81559, powerW: 350, computeCapability: "9.0", hasEcc: true },
  "h200": { name: "NVIDIA H200", memoryMiB: 143771, powerW: 700, computeCapability: "9.0", hasEcc: true },
  "l4": { name: "NVIDIA L4", memoryMiB: 23034, powerW: 72, computeCapability: "8.9", hasEcc: true },
  "rtx4090": {
    ...{ name: "NVIDIA GeForce RTX 4090", memoryMiB: 24564, powerW: 450, computeCapability: "8.9", hasEcc: false },
  },
  "rtx6000": { name: "Quadro RTX 6000", memoryMiB: 24576, powerW: 260, computeCapability: "7.5", hasEcc: true },
  "v100": { name: "Tesla V100-SXM2-16GB", memoryMiB: 16384, powerW: 300, computeCapability: "7.0", hasEcc: true },
};

/** The models that can be pretended. */
export const fakeGpuModels = Object.keys(models);

/** How the pretended GPUs differ from one that is well and alone. */
export interface FakeGpuOptions {
  /** 1 when left out. */
  readonly count?: number;
  /** Memory errors that were not corrected, of the last one. */
  readonly eccErrors?: number;
}

/** An `nvidia-smi` that tells of idle GPUs: the table, `-L`, and `--query-gpu` in its CSV forms. */
export function fakeNvidiaSmi(model: string, { count = 1, eccErrors = 0 }: FakeGpuOptions = {}): string {
  const { name, memoryMiB, powerW, computeCapability, hasEcc } = models[model] ??
    { name: model, memoryMiB: 0, powerW: 0, computeCapability: "0.0", hasEcc: false };
  return `#!/bin/sh
# Pretends ${count} idle ${name}. There is no GPU behind it.
driver=570.00.00
count=${count}
gpu=0

field() { # sets title, value and unit
  title=$1; unit=
  case $1 in
    index) value=$gpu ;;
    count) value=$count ;;
    name|gpu_name) title=name; value='${name}' ;;
    uuid|gpu_uuid) title=uuid; value=GPU-00000000-0000-0000-0000-00000000000$gpu ;;
    serial|gpu_serial) title=serial; value=[N/A] ;;
    driver_version) value=$driver ;;
    compute_cap) value=${computeCapability} ;;
    pci.bus_id|gpu_bus_id) title=pci.bus_id; value=00000000:0$((gpu + 1)):00.0 ;;
    pstate) value=P0 ;;
    persistence_mode) value=Enabled ;;
    memory.total) value=${memoryMiB}; unit=MiB ;;
    memory.used|memory.reserved) value=0; unit=MiB ;;
    memory.free) value=${memoryMiB}; unit=MiB ;;
    utilization.gpu|utilization.memory) value=0; unit=% ;;
    temperature.gpu) value=30 ;;
    fan.speed) value=[N/A]; unit=% ;;
    power.draw) value=60.00; unit=W ;;
    power.limit) value=${powerW}.00; unit=W ;;
    clocks.sm|clocks.mem|clocks.gr) value=345; unit=MHz ;;
    mig.mode.current) value=[N/A] ;;
    ecc.mode.current) value=${hasEcc ? "Enabled" : "[N/A]"} ;;
    ecc.errors.uncorrected.*.total)
      value=${hasEcc ? "0" : "[N/A]"}
      [ $gpu -ne $((count - 1)) ] || value=${hasEcc ? eccErrors : "[N/A]"} ;;
    ecc.errors.corrected.*.total) value=${hasEcc ? "0" : "[N/A]"} ;;
    timestamp) value=$(date '+%Y/%m/%d %H:%M:%S.000') ;;
    *) echo "Field \\"$1\\" is not a valid field to query."; exit 2 ;;
  esac
}

query() { # fields format
  old=$IFS; IFS=', '; set -f; set -- "$2" $1; IFS=$old
  format=,$1,; shift
  while [ $gpu -lt $count ]; do
    titles= values=
    for wanted; do
      field "$wanted"
      if [ -n "$unit" ]; then
        title="$title [$unit]"
        case $format in *,nounits,*) ;; *) [ "$value" = '[N/A]' ] || value="$value $unit" ;; esac
      fi
      titles="$titles\${titles:+, }$title"; values="$values\${values:+, }$value"
    done
    case $gpu$format in 0*,noheader,*) ;; 0*) echo "$titles" ;; esac
    echo "$values"
    gpu=$((gpu + 1))
  done
}

one() { # the number of one GPU
  case $1 in [0-9]) [ "$1" -lt $count ] && gpu=$1 && count=$((gpu + 1)) && return ;; esac
  echo 'No devices were found'; exit 6
}

fields= processes= format=csv list=
while [ $# -gt 0 ]; do
  case $1 in
    -L|--list-gpus) list=yes ;;
    --query-gpu=*) fields=\${1#*=} ;;
    --query-compute-apps=*) processes=\${1#*=} ;;
    --format=*) format=\${1#*=} ;;
    -i|--id) one "$2"; shift ;;
    --id=*) one "\${1#*=}" ;;
    *) echo "Invalid combination of input arguments. This nvidia-smi is a pretended one and knows little." >&2; exit 1 ;;
  esac
  shift
done
if [ -n "$list" ]; then
  while [ $gpu -lt $count ]; do
    field uuid
    echo "GPU $gpu: ${name} (UUID: $value)"
    gpu=$((gpu + 1))
  done
  exit 0
fi
if [ -n "$processes" ]; then
  case ,$format, in *,noheader,*) ;; *) echo "$processes" | sed 's/,/, /g' ;; esac
  exit 0
fi
if [ -n "$fields" ]; then query "$fields" "$format"; exit; fi
date
cat <<END
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI $driver              Driver Version: $driver      CUDA Version: 12.8     |
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|=========================================+========================+======================|
END
while [ $gpu -lt $count ]; do
  cat <<END
|   $gpu  ${name.padEnd(27)}    On  |   00000000:0$((gpu + 1)):00.0 Off |                    0 |
| N/A   30C    P0             60W / ${`${powerW}W`.padStart(5)} | ${
    `0MiB / ${memoryMiB}MiB`.padStart(22)
  } |      0%      Default |
+-----------------------------------------+------------------------+----------------------+
END
  gpu=$((gpu + 1))
done
cat <<END
|  No running processes found                                                             |
+-----------------------------------------------------------------------------------------+
END
`;
}
