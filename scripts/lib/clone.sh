# shellcheck shell=bash disable=SC2034 # NOTE is read by step
# What setup makes inside this clone: node_modules and the build. Both are left alone when nothing they are made from changed.

BUILT=$ROOT/node_modules/.frazil-built
# A folder is newer when a file was added to it or deleted, so the list needs no record of what was there.
BUILD_INPUTS=(native src CMakeLists.txt binding.gyp package.json package-lock.json tsconfig.json tsconfig.build.json
  scripts/install.mjs scripts/finish-build.mjs)

# Not "npm ci": a registry mirror may lack binaries for other platforms, which the lock file then cannot list and without
# which npm ci refuses (seen with Biome's). "npm install" takes the locked versions too; modules-fresh checks that it did.
# Without install scripts: the root package's own would build the addon a second time, and no dependency needs one.
clone_modules() {
  NOTE='up to date'
  if modules_fresh; then return; fi
  # An install that was interrupted: npm would trust packages that are there in half.
  if [[ ! -e $ROOT/node_modules/.package-lock.json ]]; then rm -rf "$ROOT/node_modules"; fi
  (cd "$ROOT" && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2)
  modules_fresh || die 'Cannot install node_modules as package-lock.json says. Remove node_modules and run scripts/setup again'
  NOTE='npm install'
}

modules_fresh() { node "$ROOT/scripts/lib/modules-fresh.mjs" "$ROOT"; }

clone_build() {
  NOTE='up to date'
  if build_fresh; then return; fi
  local log=$ROOT/node_modules/.frazil-build.log
  # Dated before the build: what is edited while it runs is newer than its result.
  touch "$BUILT.new"
  if ! (cd "$ROOT" && npm run build </dev/null >"$log" 2>&1); then
    cat "$log" >&2
    die 'Cannot build: "npm run build" failed, its output is above'
  fi
  mv "$BUILT.new" "$BUILT"
  NOTE='npm run build'
}

build_fresh() {
  local input inputs=()
  [[ -e $BUILT && -d $ROOT/dist && -e $ROOT/build/Release/frazil.node ]] || return
  for input in "${BUILD_INPUTS[@]}"; do
    if [[ -e $ROOT/$input ]]; then inputs+=("$ROOT/$input"); fi
  done
  [[ -z $(find "${inputs[@]}" -newer "$BUILT" -print -quit) ]]
}

# Two setups of one clone at once: the second finds the work done.
in_clone() { locked "clone-$(cksum <<<"$ROOT" | cut -d' ' -f1)" "$@"; }
