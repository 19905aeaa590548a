# shellcheck shell=bash disable=SC2034 # used by those who source it
# Shared by every script: where things are, how a script speaks, how a step is timed and locked.
# Sourcing it changes nothing on the machine.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Asked for by its physical path: programs in the prefixes carry it inside, and the lab mounts it by that name.
FRAZIL_HOME=$(realpath -m "${FRAZIL_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/frazil}")
export FRAZIL_HOME
SELF=$(basename "$0")

say() { [[ ${QUIET:-} == 1 ]] || printf '%s: %s\n' "$SELF" "$*"; }
warn() { printf '%s: %s\n' "$SELF" "$*" >&2; }
die() {
  warn "$1"
  exit "${2:-1}"
}

# milliseconds since the epoch, without starting a program
now_ms() {
  local t=${EPOCHREALTIME/[.,]/}
  echo $((t / 1000))
}

# step TEXT CMD... : runs CMD in this shell and says how long it took. CMD may set NOTE to add a word of its own.
step() {
  local text=$1 start
  shift
  NOTE=''
  start=$(now_ms)
  "$@"
  local ms=$(($(now_ms) - start))
  say "$(printf '%-22s %-40s %d.%d s' "$text" "$NOTE" $((ms / 1000)) $((ms % 1000 / 100)))"
}

# locked NAME CMD... : runs CMD while holding $FRAZIL_HOME's lock of that name, so that two clones set up one after the other.
# The lock belongs to the open file: it goes with the process, however that ends.
locked() {
  local name=$1 fd
  shift
  mkdir -p "$FRAZIL_HOME/locks"
  exec {fd}>"$FRAZIL_HOME/locks/$name"
  if ! flock --nonblock "$fd"; then
    warn "waiting for another setup of $name"
    flock "$fd"
  fi
  "$@"
  exec {fd}>&-
}
