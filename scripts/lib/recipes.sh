# shellcheck shell=bash
# What is in each prefix: recipe_NAME fills $P, the folder that $FRAZIL_HOME/NAME will lead to.
# A change of a recipe's commands (not of its comments) makes setup build that prefix anew.

# Testing, because CRIU before 4.2 cannot dump a task with an inet socket on kernels from 6.16 on.
recipe_criu() {
  debs 'forky sid' criu libcriu2 nftables iproute2 busybox-static
  run_in_place
  # libcriu is loaded into a process with the machine's own libc: beside the prefix's libc it would find that one and
  # die ("undefined symbol: __tunable_is_initialized"). It and libprotobuf-c need GLIBC_2.14 at most.
  install -D -t "$P/libcriu" "$P/usr/lib/$TRIPLET/"{libcriu.so.2,libprotobuf-c.so.1}
  local libs=$P/usr/lib/$TRIPLET
  "$libs/$LOADER" --library-path "$libs" "$P/.apt/patchelf" --force-rpath --set-rpath "$P/libcriu" "$P/libcriu/libcriu.so.2"
  "$P/usr/sbin/criu" --version >/dev/null
}

# The newest CRIU that a stable Debian has: the other end of the test matrix.
recipe_criu_stable() {
  debs trixie criu
  run_in_place
  "$P/usr/sbin/criu" --version >/dev/null
}

# CRIU's own image decoder, of the same version as criu/, with the Python that its suite was built with.
recipe_crit() {
  debs 'forky sid' python3-pycriu
  run_in_place
  mkdir "$P/bin"
  cat >"$P/bin/crit" <<EOF
#!/bin/sh
# PYTHONHOME for the library of this prefix's interpreter; -I would also drop PYTHONPATH, which Debian's layout needs.
PYTHONHOME='$P/usr' PYTHONPATH='$P/usr/lib/python3/dist-packages' PYTHONDONTWRITEBYTECODE=1 exec '$P/usr/bin/python3' -s -m crit "\$@"
EOF
  chmod +x "$P/bin/crit"
  "$P/bin/crit" --help >/dev/null
}

# From stable: forky's crun 1.28 masks paths in a way that CRIU cannot restore, and stable does not move under us.
# libcriu2 because crun loads it at run time.
recipe_runtimes() {
  debs trixie runc crun libcriu2
  run_in_place
  "$P/usr/sbin/runc" --version >/dev/null
  "$P/usr/bin/crun" --version >/dev/null
}

# What others read and write archives with: bsdtar, age, and the programs of the codecs.
recipe_archivers() {
  debs trixie age libarchive-tools zstd lz4
  run_in_place
  "$P/usr/bin/bsdtar" --version >/dev/null
  "$P/usr/bin/age" --version >/dev/null
}

# A container engine whose archives are those of the profile podman. From stable: the next Podman gives up cgroup v1. runc, because crun
# refuses hybrid hierarchies. Its helpers move to where run_in_place looks.
recipe_podman() {
  debs trixie podman conmon netavark runc golang-github-containers-common
  mkdir -p "$P/usr/libexec/podman"
  if [[ -d $P/usr/lib/podman ]]; then mv "$P"/usr/lib/podman/* "$P/usr/libexec/podman/"; fi
  run_in_place
  "$P/usr/bin/podman" --version >/dev/null
}

# Another engine, whose shim calls the runtime by its own words.
recipe_containerd() {
  debs trixie containerd runc
  run_in_place
  "$P/usr/bin/containerd" --version >/dev/null
}

# A machine to boot: QEMU, the daemon that lends it our root, and Debian's cloud kernel, which has soft-dirty tracking.
recipe_lab() {
  [[ $TRIPLET == x86_64-* ]] || die "Cannot build the lab on $(uname -m): its guest kernel has no soft-dirty tracking there" 3
  debs trixie qemu-system-x86 virtiofsd kmod busybox-static xz-utils zstd
  run_in_place
  local image k=$P/kernel
  image=$(apt-cache "${APT[@]}" depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*-cloud-amd64\).*/\1/p')
  mkdir "$k" "$P/mnt"
  (cd "$P/.apt" && apt-get "${APT[@]}" download "$image" && dpkg-deb -x "$image"_*.deb kernel)
  # The bzImage unpacks itself at every boot: 1 s under emulation. QEMU starts the ELF inside it directly (PVH).
  PATH=$P/usr/bin:$PATH node "$ROOT/scripts/lib/extract-vmlinux.mjs" "$P"/.apt/kernel/boot/vmlinuz-* "$k/vmlinux"
  mkdir -p "$k/lib"
  mv "$P/.apt/kernel/usr/lib/modules" "$k/lib/modules"
  find "$k/lib/modules" -name '*.ko.xz' -exec "$P/usr/bin/xz" --decompress {} +
  "$P/usr/sbin/depmod" -b "$k" "$(ls "$k/lib/modules")"
}
