#!/bin/sh
# Runs a test program with every OpenBLAS that is installed, and checks that it starts no threads
# that nobody asked for.
#
#   tests/blas_flavours.sh build/tests/tapestry_tests [doctest options]
#
# Debian's flavours are libopenblas0-pthread, libopenblas0-openmp and libopenblas0-serial.
set -eu
tests=$1
shift
[ $# -gt 0 ] || set -- --test-case="*thread*,*product*"
found=0
for folder in /usr/lib/*/openblas-*; do
  [ -e "$folder/libopenblas.so.0" ] || continue
  # without the limits that a user may have set
  printf '%s: ' "${folder##*/}"
  env -u OMP_NUM_THREADS -u OPENBLAS_NUM_THREADS LD_LIBRARY_PATH="$folder" "$tests" "$@"
  found=$((found + 1))
done
[ "$found" -gt 0 ] || { echo "blas_flavours.sh: no OpenBLAS found in /usr/lib/*/openblas-*" >&2; exit 1; }
echo "$found flavours"
