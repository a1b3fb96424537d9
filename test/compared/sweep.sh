#!/usr/bin/env bash
# Time a script on several types of GPU: sweep.sh bench.sh [type...]
set -euo pipefail
script=$1 budget=10 hours=1
shift
types=("$@")
((${#types[@]} > 0)) || types=(gpu_1x_a10 gpu_1x_a100 gpu_1x_h100_pcie)
work=$(mktemp -d) name="sweep-$(date +%s)-$$" key_id=""

lambda() {
  curl -fsS --retry 3 -K <(printf 'user = "%s:"\n' "$LAMBDA_API_KEY") -H 'content-type: application/json' \
    "${LAMBDA_API_URL:-https://cloud.lambda.ai}/api/v1/$1" "${@:2}"
}
# Whatever has our name, also what a lost answer did not tell us of.
give_back() {
  jobs -p | xargs -r kill 2>/dev/null || true
  wait || true
  until ids=$(lambda instances | jq -c --arg name "$name" '[.data[] | select(.name == $name).id]') && { [ "$ids" = "[]" ] ||
    lambda instance-operations/terminate --json "{\"instance_ids\":$ids}" >/dev/null; }; do sleep 5; done
  [ -z "$key_id" ] || lambda "ssh-keys/$key_id" -X DELETE >/dev/null || true
  rm -rf "$work"
}
trap give_back EXIT
trap 'exit 130' INT TERM HUP

offers=$(lambda instance-types)
cents=$(jq -n --argjson offers "$offers" '[$offers.data[$ARGS.positional[]].instance_type.price_cents_per_hour] | add' \
  --args "${types[@]}")
((cents * hours <= budget * 100)) || { echo "these cost more than \$$budget" >&2; exit 1; }
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
key_id=$(jq -n --arg name "$name" --arg key "$(cat "$work/key.pub")" '{name: $name, public_key: $key}' |
  lambda ssh-keys --json @- | jq -r .data.id)

time_on() {
  local type=$1 region id state ip port waited tries begin
  region=$(jq -er --arg type "$type" '.data[$type].regions_with_capacity_available[0].name' <<<"$offers") ||
    { echo "$type is not free" >&2; return 1; }
  id=$(jq -n --arg name "$name" --arg type "$type" --arg region "$region" \
    '{name: $name, instance_type_name: $type, region_name: $region, ssh_key_names: [$name]}' |
    lambda instance-operations/launch --retry 0 --json @- | jq -r '.data.instance_ids[0]')
  for ((waited = 0;; waited++)); do
    read -r state ip port < <(lambda "instances/$id" | jq -r '.data | "\(.status) \(.ip // "-") \(.ssh_port // 22)"')
    [ "$state" != active ] || break
    if [[ $state =~ ^(terminat|unhealthy) ]] || ((waited > 900)); then return 1; fi
    sleep 1
  done
  remote() {
    ssh -i "$work/key" -p "$port" -o UserKnownHostsFile="$work/known-$type" -o StrictHostKeyChecking=accept-new \
      -o LogLevel=ERROR "ubuntu@$ip" "$@"
  }
  for ((tries = 0; tries < 60; tries++)); do
    if remote true 2>/dev/null; then break; else sleep 1; fi
  done
  remote 'cat > bench.sh' <"$script"
  begin=$(date +%s%N)
  remote 'bash bench.sh' >&2
  printf '%s %d.%03d\n' "$type" $((($(date +%s%N) - begin) / 1000000000)) $((($(date +%s%N) - begin) / 1000000 % 1000))
  lambda instance-operations/terminate --json "{\"instance_ids\":[\"$id\"]}" >/dev/null
}
pids=()
for type in "${types[@]}"; do
  time_on "$type" >"$work/$type.result" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
cat "$work"/*.result
