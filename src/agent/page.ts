import type { Gpu } from "./nvidia-smi.ts";
import type { Status } from "./status.ts";

/** The machine's state for a browser: one page without scripts. */
export function statusPage(status: Status): string {
  const { gpus, idle_warning: idle, lease_warning: lease, ending } = status;
  const warnings = [ending === null ? null : `this machine is being ended: ${ending}`, lease, idle]
    .filter((text) => text !== null);
  const facts = [
    ["Up", `${status.uptime_minutes} min`],
    ["Idle", `${status.idle_minutes} min`],
    [
      "Lease",
      status.shutdown_at === null ? "none" : `until ${status.shutdown_at} (${status.shutdown_in_minutes} min)`,
    ],
    ["SSH connections", status.sessions === null ? "not known" : String(status.sessions)],
    ["CI jobs", String(status.jobs_running)],
  ];
  const rows = facts.map(([name = "", value = ""]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="10">
<title>${escape(status.instance_id)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: left; padding: 0.2rem 1rem 0.2rem 0; }
.warning { border-left: 4px solid #c60; padding: 0.3rem 1rem; }
</style>
</head>
<body>
<h1>${escape(status.instance_id)}</h1>
${warnings.map((text) => `<p class="warning">${escape(text)}</p>`).join("\n")}
<table>
${rows.join("\n")}
</table>
<table>
<tr><th>GPU</th><th>Use</th><th>Memory</th><th>Temperature</th><th>Power</th></tr>
${gpus.map(gpuRow).join("\n")}
</table>
${gpus.length === 0 ? "<p>No GPU answers.</p>" : ""}
</body>
</html>
`;
}

function gpuRow({ index, name, utilization, memoryUsedMiB, memoryTotalMiB, temperatureC, powerW }: Gpu): string {
  const cells = [
    `${index} ${name}`,
    said(utilization, " %"),
    `${said(memoryUsedMiB, "")} of ${said(memoryTotalMiB, " MiB")}`,
    said(temperatureC, " °C"),
    said(powerW, " W"),
  ];
  return `<tr>${cells.map((cell) => `<td>${escape(cell)}</td>`).join("")}</tr>`;
}

function said(value: number | null, unit: string): string {
  return value === null ? "not known" : `${value}${unit}`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
