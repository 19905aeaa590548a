# shellcheck shell=bash
# Runs test suites, keeps their counts and adds them up. A suite that does not report counts as one failure: silence is
# not success. Used by scripts/test.

PASSED=0 FAILED=0 SKIPPED=0 TABLE=''
REPORTS=$(mktemp -d)
trap 'rm -rf "$REPORTS"' EXIT

# suite NAME KIND CMD... ; KIND says where the counts are:
#   vitest    in a JSON report: CMD is given the options that write it to $REPORTS
#   summary   in the last line "N passed, N failed[, N skipped]" of its output
#   step      in its exit status: one passed or one failed
suite() {
  local name=$1 kind=$2 start rc=0 counts=''
  shift 2
  start=$(now_ms)
  printf '\n=== %s\n' "$name"
  case $kind in
  vitest)
    local report=$REPORTS/${name//[^a-z]/-}.json
    "$@" -- --reporter=default --reporter=json --outputFile.json="$report" </dev/null || rc=$?
    counts=$(node "$ROOT/scripts/lib/vitest-counts.mjs" "$report") || counts=''
    ;;
  summary)
    "$@" </dev/null 2>&1 | tee "$REPORTS/log" || rc=$?
    counts=$(sed -nE 's/^([a-z]+: )?([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\2 \3 \5/p' "$REPORTS/log" | tail -n 1)
    ;;
  step)
    "$@" </dev/null || rc=$?
    counts="$((rc == 0)) $((rc != 0)) 0"
    ;;
  esac
  count "$name" "$rc" "$counts" $(($(now_ms) - start))
}

# count NAME STATUS "PASSED FAILED SKIPPED" MILLISECONDS
count() {
  local passed failed skipped remark=''
  read -r passed failed skipped <<<"$3" || true
  if [[ -z $passed ]]; then
    passed=0 failed=1 remark="did not report (exit status $2)"
  elif [[ $2 != 0 && $failed == 0 ]]; then
    failed=1 remark="exit status $2"
  fi
  ((PASSED += passed, FAILED += failed, SKIPPED += ${skipped:=0})) || true
  TABLE+=$(printf '%-22s %5d passed %4d failed %4d skipped %5d s  %s' "$1" "$passed" "$failed" "$skipped" $(($4 / 1000)) "$remark")$'\n'
}

# leave_out NAME WHY : counts the suite as skipped, or as failed where CI promises to have everything.
leave_out() {
  if [[ ${CI:-} == true ]]; then count "$1: $2" 1 '0 1 0' 0; else count "$1: $2" 0 '0 0 1' 0; fi
}

# Prints the table and the closing line; its status is that of the whole run.
closing() {
  printf '\n%s\n%d passed, %d failed' "$TABLE" "$PASSED" "$FAILED"
  if ((SKIPPED > 0)); then printf ', %d skipped' "$SKIPPED"; fi
  printf '\n'
  ((FAILED == 0 && PASSED > 0))
}
