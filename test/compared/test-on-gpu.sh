#!/usr/bin/env bash
# Run a project's tests on a rented GPU, then give it back: test-on-gpu.sh "make test" [type]
set -euo pipefail
tests=$1 type=${2:-} hours=1 budget=5
work=$(mktemp -d) id="" key_id=""

# The key goes through a file descriptor: in arguments every user of this computer could read it.
lambda() {
  curl -fsS --retry 3 -K <(printf 'user = "%s:"\n' "$LAMBDA_API_KEY") -H 'content-type: application/json' \
    "${LAMBDA_API_URL:-https://cloud.lambda.ai}/api/v1/$1" "${@:2}"
}
give_back() {
  [ -z "$id" ] || until lambda instance-operations/terminate --json "{\"instance_ids\":[\"$id\"]}" >/dev/null; do
    sleep 5
  done
  [ -z "$key_id" ] || lambda "ssh-keys/$key_id" -X DELETE >/dev/null || true
  rm -rf "$work"
}
trap give_back EXIT
trap 'exit 130' INT TERM HUP

read -r type region cents < <(lambda instance-types | jq -r --arg type "$type" '
  [.data[] | select(.regions_with_capacity_available != [] and .instance_type.specs.gpus > 0)
    | select($type == "" or .instance_type.name == $type)]
  | min_by(.instance_type.price_cents_per_hour) // empty
  | "\(.instance_type.name) \(.regions_with_capacity_available[0].name) \(.instance_type.price_cents_per_hour)"') ||
  { echo "none is free" >&2; exit 1; }
((cents * hours <= budget * 100)) || { echo "$type costs more than \$$budget" >&2; exit 1; }

ssh-keygen -q -t ed25519 -N '' -f "$work/key"
name="test-on-gpu-$(date +%s)-$$"
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
  if [[ $state =~ ^(terminat|unhealthy) ]] || ((waited > 900)); then echo "$id is $state" >&2 && exit 1; fi
  sleep 1
done
remote() {
  ssh -i "$work/key" -p "$port" -o UserKnownHostsFile="$work/known" -o StrictHostKeyChecking=accept-new \
    -o ServerAliveInterval=15 -o LogLevel=ERROR "ubuntu@$ip" "$@"
}
for ((tries = 0; tries < 60; tries++)); do
  if remote true 2>/dev/null; then break; else sleep 1; fi
done

git ls-files -co --exclude-standard -z | tar -cz --null -T - | remote 'mkdir -p project && tar -xz -C project'
if ! remote "cd project && $tests"; then
  echo "tests failed; for half an hour, or until Ctrl-C: ssh -i $work/key -p $port ubuntu@$ip" >&2
  sleep "${KEEP_SECONDS:-1800}"
  exit 1
fi
