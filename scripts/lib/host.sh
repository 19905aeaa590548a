# shellcheck shell=bash disable=SC2034 # NOTE is read by step
# What setup asks of the machine itself: a Node, a compiler, cmake, and a limit of the kernel.
# apt-get is called only when something is missing, and never when it would exchange the libc.

# package.json's "engines".
OLDEST_NODE=20.19
# Dumps for lazy restores put up to 4 MiB into one pipe; the kernel's default limit is 1 MiB.
PIPE_BYTES=$((4 << 20))

# host_ready [PROGRAM=PACKAGE...] : checks Node and installs the packages of missing programs.
host_ready() {
  local pair missing=() node
  node=$(node --version 2>/dev/null) || die "Cannot find node. Install Node.js $OLDEST_NODE or newer" 3
  printf '%s\n' "$OLDEST_NODE" "${node#v}" | sort --version-sort --check=quiet ||
    die "Cannot use Node.js ${node#v}: $OLDEST_NODE or newer is needed" 3
  for pair in "$@"; do
    type -P "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  if [[ ${#missing[@]} -gt 0 ]]; then install_packages "${missing[@]}"; fi
  NOTE="node ${node#v}${missing[*]:+, installed ${missing[*]}}"
}

install_packages() {
  [[ $(id -u) == 0 ]] || die "Cannot install $*: that needs root. Run \"sudo apt-get install $*\"" 3
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -qq -y --no-install-recommends --no-upgrade -o Dpkg::Use-Pty=0) plan
  "${apt[@]}" update
  plan=$("${apt[@]}" --simulate install "$@")
  if [[ $plan == *'Inst libc6 ['* ]]; then
    die "Cannot install $*: it would upgrade this machine's libc6. Install them yourself if you want that" 3
  fi
  "${apt[@]}" install "$@" </dev/null >/dev/null
}

# The limit is lost at every reboot and is the whole machine's: raised when it is lower, never lowered.
pipe_limit() {
  local file=/proc/sys/fs/pipe-max-size now
  now=$(cat $file)
  NOTE="$now bytes"
  ((now >= PIPE_BYTES)) && return
  if echo "$PIPE_BYTES" 2>/dev/null >$file; then
    NOTE="raised from $now to $PIPE_BYTES bytes"
  else
    NOTE="$now bytes, not allowed to raise"
    warn "fs.pipe-max-size is below $PIPE_BYTES: dumps for lazy restores will fail. Run \"sysctl -w fs.pipe-max-size=$PIPE_BYTES\" as root"
  fi
}
