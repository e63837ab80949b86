#!/bin/bash
# build_time.sh [TARGET]: builds TARGET (lm) from nothing in a temporary folder, without a compiler
# cache, and prints the CPU seconds of every object, the longest last, their sum, and the seconds
# from the first command to the first line of the program.
set -euo pipefail
source=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../..
target=${1-lm}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
export CCACHE_DISABLE=1

cat > "$build/timed" << 'END'
#!/bin/bash
# A compiler launcher: notes the CPU seconds of the command and its last .o file.
TIMEFORMAT='%U %S'
object=link
for word; do [[ $word == *.o ]] && object=$word; done
{ time "$@" 2>&3; } 3>&2 2> "$TIMES/$$" || exit
read -r user system < "$TIMES/$$"
echo "$user $system $object" >> "$TIMES/all"
END
chmod +x "$build/timed"
mkdir "$build/times"
export TIMES=$build/times

start=$EPOCHREALTIME
cmake -S "$source" -B "$build/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$build/timed" > "$build/log"
configured=$EPOCHREALTIME
cmake --build "$build/build" --target "$target" >> "$build/log"
built=$EPOCHREALTIME
line=$built
if [[ -x $build/build/$target ]]; then
  read -r _ < <(cd "$build" && exec "$build/build/$target" 2>&1) || true
  line=$EPOCHREALTIME
  kill $! 2> "$build/log" || true
fi

sort -n "$build/times/all" |
  awk '{ t = $1 + $2; sum += t; sub(/CMakeFiles\//, "", $3); sub(/^examples\//, "", $3); sub(/\.dir\//, " ", $3); printf "%7.2f  %s\n", t, $3 }
       END { printf "%7.2f  CPU seconds in %d objects\n", sum, NR }'
awk -v a="$start" -v b="$configured" -v c="$built" -v d="$line" 'BEGIN {
  printf "%7.2f  s to configure, %.2f s to build, %.2f s to the first line of the program\n",
         b - a, c - b, d - a }'
