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
