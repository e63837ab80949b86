#!/bin/bash
# wrong_programs_test.sh COMPILER INCLUDE: none of wrong/*.cpp compiles, and the first lines of the
# compiler's errors name what the program's lines "// expect: ..." say.
set -uo pipefail
lines=24
failed=0
for program in "$(dirname "$0")"/wrong/*.cpp; do
  if out=$("$1" -std=c++20 -fsyntax-only -I"$2" "$program" 2>&1); then
    echo "$program compiles"
    failed=1
    continue
  fi
  first=$(head -n $lines <<< "$out")
  while read -r expected; do
    grep -q "\b$expected\b" <<< "$first" && continue
    echo "$program: the first $lines lines do not name $expected:"
    echo "$first"
    failed=1
  done < <(sed -n 's|^// expect: ||p' "$program")
done
exit $failed
