#!/bin/bash
# run_tests.sh BUILD [ARGUMENT]...: runs the tests of a build directory with ctest and ends with
# "N passed, N failed". That sums doctest cases and the "ok" and "not ok" lines of scripts; a test
# that counts nothing itself is one.
set -u
build=$1
shift
code=0
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" "$@" || code=$?
awk '
  /^\[doctest\] test cases:/ { split($0, n, /[^0-9]+/); good += n[3]; bad += n[4] }
  /^ok / { ++good }
  /^not ok / { ++bad }
  /^Test (Passed|Failed|Timeout)/ {
    if ($2 == "Passed." && good + bad == 0) good = 1
    if ($2 != "Passed." && bad == 0) bad = 1
    passed += good; failed += bad; good = bad = 0
  }
  END { printf "%d passed, %d failed\n", passed, failed + bad }
' "$build/Testing/Temporary/LastTest.log"
exit $code
