# shellcheck shell=bash
# Packages of other Debian suites without touching this machine's own: an apt with a state of its own downloads
# them, dpkg-deb unpacks them, patchelf makes the programs run where they lie. docs/adr/0003-private-prefix.md says why.
# Needs nothing beyond apt and dpkg. Used by build-prefix, with $P the folder being built.

# The mirrors that this machine's own apt uses, one a line. Asked from apt's configuration and not from its
# lists, which a fresh machine does not have.
debian_mirrors() {
  local codename
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get -o Debug::NoLocking=1 --print-uris update 2>/dev/null |
    sed -nE "s#^'(.*)/dists/($codename|stable|oldstable)/InRelease'.*#\1#p" | sort -u
}

# apt_for MIRROR SUITE : an isolated apt in $P/.apt; afterwards "${APT[@]}" are its options.
apt_for() {
  local a=$P/.apt
  rm -rf "$a"
  mkdir -p "$a"/lists/partial "$a"/cache/archives/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $1 $2 main" >"$a/sources.list"
  : >"$a/status"
  APT=(-qq -o Dir::Etc::sourcelist="$a/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Dir::State::Lists="$a/lists" -o Dir::State::status="$a/status" -o Dir::State::extended_states="$a/extended"
    -o Dir::Cache="$a/cache" -o APT::Install-Recommends=0 -o APT::Sandbox::User=root
    -o APT::Update::Post-Invoke= -o APT::Update::Post-Invoke-Success=
    -o Acquire::Languages=none -o Acquire::Retries=3)
  apt-get "${APT[@]}" update
}

# debs "SUITE..." PACKAGE... : downloads the packages with all they depend on from the first suite that has them whole, and
# unpacks them into $P. A moving suite (testing) is sometimes between two states: hence the list.
debs() {
  local suites=$1 suite mirror deb
  shift
  for suite in $suites; do
    for mirror in $(debian_mirrors); do
      if apt_for "$mirror" "$suite" && apt-get "${APT[@]}" -y --download-only install patchelf "$@"; then
        for deb in "$P"/.apt/cache/archives/*.deb; do dpkg-deb -x "$deb" "$P"; done
        echo "$suite" >"$P/.suite"
        return
      fi
    done
  done
  die "Cannot download $*: no Debian mirror of this machine has them in $suites. Check the network and /etc/apt"
}

# run_in_place : every dynamic program below $P finds its loader and libraries below $P.
# DT_RPATH, absolute: crun re-executes itself from a memfd, where $ORIGIN is nowhere, and loads libcriu at run time.
# Interpreter and rpath in two calls: one call for both corrupts Go programs (seen with podman, patchelf 0.18).
run_in_place() {
  local libs=$P/usr/lib/$TRIPLET patch file
  local loader=$libs/$LOADER
  cp "$P/usr/bin/patchelf" "$P/.apt/patchelf"
  patch=("$loader" --library-path "$libs" "$P/.apt/patchelf")
  while read -r file; do
    "${patch[@]}" --print-interpreter "$file" >/dev/null 2>&1 || continue # a script, or a static program
    "${patch[@]}" --force-rpath --set-rpath "$libs" "$file"
    "${patch[@]}" --set-interpreter "$loader" "$file"
  done < <(find "$P"/usr/bin "$P"/usr/sbin "$P"/usr/libexec -type f -perm -100 2>/dev/null)
}

case $(uname -m) in
x86_64) TRIPLET=x86_64-linux-gnu LOADER=ld-linux-x86-64.so.2 ;;
aarch64) TRIPLET=aarch64-linux-gnu LOADER=ld-linux-aarch64.so.1 ;;
*) die "Cannot set up on $(uname -m): only x86_64 and aarch64 have a CRIU in Debian that we know" 3 ;;
esac
