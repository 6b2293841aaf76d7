# Shared by the commands in script/: where things are, how they speak, how they run what takes long.
# shellcheck shell=bash

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cache=${HA_KUBERNETES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ha-kubernetes}
demo=${XDG_STATE_HOME:-$HOME/.local/state}/ha-kubernetes-demo
# The seed's version, and the newest one that runs on real hosts have proven (lab/mirror/plans).
seed=v1.20.2
newest=v1.37.2
use_kubernetes() { kubernetes=$1 mirror=$cache/mirror/$1; }
use_kubernetes "$newest"
logs=$cache/logs/$(basename -- "$0")
# Root's PATH may lack the sbin directories; the Go that set-up fetches comes before an older one.
PATH=$cache/go/bin:$PATH:/usr/sbin:/sbin
cd -- "$root"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# Prints the comment at the head of the calling script.
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

require_root() {
  ((EUID == 0)) || die "$(basename -- "$0") makes network namespaces and mounts for its hosts: run it as root (sudo script/$(basename -- "$0"))"
}

# step WHAT COMMAND...: runs a command quietly and says that it still runs; on_exit tells what its failure was.
step() {
  current_step=$1
  shift
  mkdir -p "$logs"
  current_log=$logs/$(tr -cs 'a-z0-9\n' - <<<"${current_step,,}").log
  local begin=$SECONDS
  # Job control gives the command a process group of its own, so that all of it can be ended.
  set -m
  ("$@") >"$current_log" 2>&1 </dev/null &
  running=$!
  set +m
  tick "$begin" &
  ticker=$!
  wait "$running"
  running=
  kill "$ticker" 2>/dev/null || true
  say "$current_step: done in $((SECONDS - begin)) s"
  current_step=
}

# Tells every few seconds how long the current step runs, and the last thing that it said.
tick() {
  local pause=2
  while sleep "$pause" && kill -0 $$ 2>/dev/null; do
    say "  $current_step: $((SECONDS - $1)) s  $(tail -n 1 "$current_log" | tr -d '\r' | cut -c 1-90)"
    pause=10
  done
}

# Ends what a step left, says what failed and where its log is, and lets the script clean up.
on_exit() {
  local status=$?
  trap - EXIT
  trap '' INT TERM
  [[ -z ${ticker-} ]] || kill "$ticker" 2>/dev/null || true
  [[ -z ${running-} ]] || kill -TERM -- "-$running" 2>/dev/null || true
  if [[ -n ${current_step-} ]] && ((status != 0)); then
    say "error: $current_step failed:"
    tail -n "${tail_lines:-15}" "$current_log" | sed 's/^/  /' >&2
    say "  all of it: $current_log"
  fi
  current_step=
  if declare -F cleanup >/dev/null; then cleanup || status=1; fi
  exit "$status"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Paths of the Temporal programs that set-up finds or fetches; empty when there is none yet.
temporal_cli() {
  local candidate
  for candidate in "${TEMPORAL_CLI_PATH-}" "$(command -v temporal || true)" "$cache/temporal/bin/temporal"; do
    [[ ! -x $candidate ]] || { echo "$candidate" && return; }
  done
}

temporal_test_server() {
  local candidate
  for candidate in "${TEMPORAL_TEST_SERVER_PATH-}" "$cache/temporal/bin/temporal-test-server"; do
    [[ ! -x $candidate ]] || { echo "$candidate" && return; }
  done
}

lab() { node dist/lab/lab.js "$@"; }
