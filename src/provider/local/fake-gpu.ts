interface Model {
  readonly name: string;
  readonly memoryMiB: number;
  readonly powerW: number;
}

const models: Readonly<Record<string, Model>> = {
  a10: { name: "NVIDIA A10", memoryMiB: 23028, powerW: 150 },
  a100: { name: "NVIDIA A100-SXM4-80GB", memoryMiB: 81920, powerW: 400 },
  b200: { name: "NVIDIA B200", memoryMiB: 183359, powerW: 1000 },
  gh200: { name: "NVIDIA GH200 480GB", memoryMiB: 97871, powerW: 900 },
  h100: { name: "NVIDIA H100 80GB HBM3", memoryMiB: 81559, powerW: 700 },
  h200: { name: "NVIDIA H200", memoryMiB: 143771, powerW: 700 },
  l4: { name: "NVIDIA L4", memoryMiB: 23034, powerW: 72 },
  rtx4090: { name: "NVIDIA GeForce RTX 4090", memoryMiB: 24564, powerW: 450 },
};

/** The models that can be pretended. */
export const fakeGpuModels = Object.keys(models);

/** An `nvidia-smi` that tells of one idle GPU: the table, `-L`, and `--query-gpu` in its CSV forms. */
export function fakeNvidiaSmi(model: string): string {
  const { name, memoryMiB, powerW } = models[model] ?? { name: model, memoryMiB: 0, powerW: 0 };
  return `#!/bin/sh
# Pretends one idle ${name}. There is no GPU behind it.
driver=570.00.00
uuid=GPU-00000000-0000-0000-0000-000000000000

field() { # prints: title|value|unit
  case $1 in
    index) echo 'index|0|' ;;
    count) echo 'count|1|' ;;
    name|gpu_name) echo 'name|${name}|' ;;
    uuid|gpu_uuid) echo "uuid|$uuid|" ;;
    driver_version) echo "driver_version|$driver|" ;;
    pci.bus_id|gpu_bus_id) echo 'pci.bus_id|00000000:01:00.0|' ;;
    pstate) echo 'pstate|P0|' ;;
    memory.total) echo 'memory.total|${memoryMiB}|MiB' ;;
    memory.used) echo 'memory.used|0|MiB' ;;
    memory.free) echo 'memory.free|${memoryMiB}|MiB' ;;
    utilization.gpu) echo 'utilization.gpu|0|%' ;;
    utilization.memory) echo 'utilization.memory|0|%' ;;
    temperature.gpu) echo 'temperature.gpu|30|' ;;
    power.draw) echo 'power.draw|60.00|W' ;;
    power.limit) echo 'power.limit|${powerW}.00|W' ;;
    timestamp) date '+timestamp|%Y/%m/%d %H:%M:%S.000|' ;;
    *) echo "Field \\"$1\\" is not a valid field to query." >&2; exit 2 ;;
  esac
}

query() { # fields format
  titles= values=
  old=$IFS; IFS=,; set -- "$2" $1; IFS=$old
  format=,$1,; shift
  for wanted; do
    found=$(field "$(echo "$wanted" | tr -d ' ')") || exit 2
    title=\${found%%|*}; rest=\${found#*|}; value=\${rest%|*}; unit=\${rest##*|}
    case $unit in
      '') ;;
      *) case $unit in %) ;; *) title="$title [$unit]" ;; esac
        case $unit in %) title="$title [%]" ;; esac
        case $format in *,nounits,*) ;; *) value="$value $unit" ;; esac ;;
    esac
    titles="$titles\${titles:+, }$title"; values="$values\${values:+, }$value"
  done
  case $format in *,noheader,*) ;; *) echo "$titles" ;; esac
  echo "$values"
}

fields= processes= format=csv
while [ $# -gt 0 ]; do
  case $1 in
    -L|--list-gpus) echo "GPU 0: ${name} (UUID: $uuid)"; exit 0 ;;
    --query-gpu=*) fields=\${1#*=} ;;
    --query-compute-apps=*) processes=\${1#*=} ;;
    --format=*) format=\${1#*=} ;;
    -i|--id) shift ;;
    --id=*) ;;
    *) echo "Invalid combination of input arguments. This nvidia-smi is a pretended one and knows little." >&2; exit 1 ;;
  esac
  shift
done
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
|   0  ${name.padEnd(27)}    On  |   00000000:01:00.0 Off |                    0 |
| N/A   30C    P0             60W / ${`${powerW}W`.padStart(5)} | ${
    `0MiB / ${memoryMiB}MiB`.padStart(22)
  } |      0%      Default |
+-----------------------------------------+------------------------+----------------------+
|  No running processes found                                                             |
+-----------------------------------------------------------------------------------------+
END
`;
}
