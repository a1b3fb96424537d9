#!/usr/bin/env bash
# Run a script on a GPU and say how it went: nightly.sh [script], from cron
set -euo pipefail
script=${1:-nightly.sh} hours=2 budget=5
work=$(mktemp -d) id="" key_id="" said="it did not come to the script"

lambda() {
  curl -fsS --retry 3 -K <(printf 'user = "%s:"\n' "$LAMBDA_API_KEY") -H 'content-type: application/json' \
    "${LAMBDA_API_URL:-https://cloud.lambda.ai}/api/v1/$1" "${@:2}"
}
notify() { # The address is the secret: not in the arguments either.
  jq -n --arg text "$1" '{text: $text}' |
    curl -fsS --retry 3 -o "$work/answer" -K <(printf 'url = "%s"\n' "$SLACK_WEBHOOK_URL") --json @- || true
}
give_back() {
  local code=$?
  [ -z "$id" ] || until lambda instance-operations/terminate --json "{\"instance_ids\":[\"$id\"]}" >/dev/null; do
    sleep 5
  done
  [ -z "$key_id" ] || lambda "ssh-keys/$key_id" -X DELETE >/dev/null || true
  if ((code == 0)); then notify "nightly is well: $said"; else notify "nightly failed ($code): $said"; fi
  rm -rf "$work"
}
trap give_back EXIT
trap 'exit 130' INT TERM HUP

read -r type region cents < <(lambda instance-types | jq -r '
  [.data[] | select(.regions_with_capacity_available != [] and .instance_type.specs.gpus > 0)]
  | min_by(.instance_type.price_cents_per_hour) // empty
  | "\(.instance_type.name) \(.regions_with_capacity_available[0].name) \(.instance_type.price_cents_per_hour)"') ||
  { said="none is free"; exit 1; }
((cents * hours <= budget * 100)) || { said="$type costs more than \$$budget"; exit 1; }

ssh-keygen -q -t ed25519 -N '' -f "$work/key"
name="nightly-$(date +%s)-$$"
key_id=$(jq -n --arg name "$name" --arg key "$(cat "$work/key.pub")" '{name: $name, public_key: $key}' |
  lambda ssh-keys --json @- | jq -r .data.id)
# An answer that is lost leaves an instance that nobody knows of: look for its name before giving up.
id=$(jq -n --arg name "$name" --arg type "$type" --arg region "$region" \
  '{name: $name, instance_type_name: $type, region_name: $region, ssh_key_names: [$name]}' |
  lambda instance-operations/launch --retry 0 --json @- | jq -r '.data.instance_ids[0]') ||
  id=$(lambda instances | jq -r --arg name "$name" 'first(.data[] | select(.name == $name).id) // empty')
[ -n "$id" ] || exit 1

for ((waited = 0;; waited++)); do
  read -r state ip port < <(lambda "instances/$id" | jq -r '.data | "\(.status) \(.ip // "-") \(.ssh_port // 22)"')
  [ "$state" != active ] || break
  if [[ $state =~ ^(terminat|unhealthy) ]] || ((waited > 900)); then exit 1; fi
  sleep 1
done
remote() {
  ssh -i "$work/key" -p "$port" -o UserKnownHostsFile="$work/known" -o StrictHostKeyChecking=accept-new \
    -o ServerAliveInterval=15 -o LogLevel=ERROR "ubuntu@$ip" "$@"
}
for ((tries = 0; tries < 60; tries++)); do
  if remote true 2>/dev/null; then break; else sleep 1; fi
done
remote 'cat > nightly.sh' <"$script"
timeout 90m bash -c "$(declare -f remote); $(declare -p work port ip); remote 'bash nightly.sh'" | tee "$work/log" ||
  { said=$(tail -n 1 "$work/log"); exit 1; }
said=$(tail -n 1 "$work/log")
