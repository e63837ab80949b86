#!/bin/bash
# run.sh [SECONDS]: runs each fuzz target for SECONDS (default 5), starting from the inputs kept in
# corpus/, under AddressSanitizer and UBSan. The input that made one fail is left in the build folder.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-5} build=$PWD/build-asan failed=0
mkdir -p "$build"
{ cmake --preset asan && cmake --build --preset asan --target fuzz; } > "$build/fuzz.log" 2>&1 ||
  { tail -n 30 "$build/fuzz.log"; exit 1; }
for target in text csv config checkpoint npz; do
  found=$(mktemp -d)
  if "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=2048 -rss_limit_mb=1024 \
      -malloc_limit_mb=512 -timeout=10 -artifact_prefix="$build/$target-" \
      "$found" "tests/fuzz/corpus/$target" > "$build/$target.log" 2>&1; then
    echo "ok fuzz $target: $(grep -o 'Done .*' "$build/$target.log")"
  else
    echo "not ok fuzz $target"
    tail -n 40 "$build/$target.log"
    failed=1
  fi
  rm -rf "$found"
done
exit $failed
