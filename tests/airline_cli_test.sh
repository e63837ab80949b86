#!/bin/sh
# Runs the airline program as a user would: results, bad input, and the commands of its README.
#   airline_cli_test.sh PROGRAM SOURCE_DIRECTORY
# Bad input must end with its exit code and one line that names the culprit, besides a hint.
set -u
program=$(realpath "$1")
source=$(realpath "$2")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here" || exit 1
csv=$source/examples/airline/airline.csv
failures=0

fail() {
  echo "FAILED: $1"
  sed 's/^/  | /' err
  failures=$((failures + 1))
}

# refuses CODE "TEXT IN THE MESSAGE" ARGUMENT...
refuses() {
  code=$1
  text=$2
  shift 2
  "$program" "$@" >out 2>err
  got=$?
  [ $got -eq "$code" ] || fail "airline $*: exit code $got, expected $code"
  [ "$(grep -c 'error:' err)" -eq 1 ] || fail "airline $*: expected one error line"
  [ "$(grep -vc 'hint:' err)" -eq 1 ] || fail "airline $*: expected nothing but it and a hint"
  grep -qF -- "$text" err || fail "airline $*: expected '$text'"
  [ ! -s out ] || fail "airline $*: printed results"
}

# works ARGUMENT...
works() {
  "$program" "$@" >out 2>err || fail "airline $*: exit code $?"
}

: >empty.csv
head -c 2000 "$program" >binary.csv
printf 'month,x\n1949-01,112\n' >one.csv
head -n 50 "$csv" >short.csv
sed 's/^1950-03,.*/1950-03,many/' "$csv" >word.csv
sed 's/,[0-9]*$/,7/' "$csv" >constant.csv
sed '/^1950-03/d' "$csv" >gap.csv
sed 's/^1950-03/1950-02/' "$csv" >twice.csv
sed 's/^1950-03,.*/1950-03,/' "$csv" >hole.csv
sed 's/^1950-03,.*/1950-03,0/' "$csv" >zero.csv
sed 1d "$csv" >headless.csv

refuses 66 'missing.csv' missing.csv
refuses 66 'Is a directory' .
refuses 65 'empty.csv: the file is empty' empty.csv
refuses 65 'binary.csv: binary data' binary.csv
refuses 65 'the columns are "month", "passengers"' "$csv" --value-column sales
refuses 65 'the columns are "month", "passengers"' "$csv" --time-column day
refuses 65 'one.csv: 1 value, at least 3' one.csv
refuses 65 'short.csv: 49 values, at least 60' short.csv
refuses 65 'airline.csv: 144 values, at least 156' --test 120
refuses 65 'word.csv:16:9: "many"' word.csv
refuses 65 'constant.csv: column "passengers" is constant' constant.csv
refuses 65 'gap.csv:16:1: no row for 1 month: 1950-03' gap.csv
refuses 65 'twice.csv:16:1: 1 month given more than once: 1950-02' twice.csv
refuses 65 'hole.csv:16:9: no value for 1 month: 1950-03' hole.csv
refuses 65 'use --no-log' zero.csv
refuses 65 'headless.csv:1:1: the first line holds data' headless.csv
refuses 2 '--hiden (did you mean --hidden?)' --hiden 20
refuses 2 '--hidden: must be a whole number' --hidden 0
refuses 2 "'other.csv'" "$csv" other.csv
refuses 73 'empty.csv/run: error: cannot create directory' -o empty.csv/run
refuses 10 'not finite' -q --lr 1e9 --epochs 500

works -q -o run
grep -q '^LSTM ' out || fail 'no line of the LSTM on standard output'
[ ! -s err ] || fail 'not quiet'
for file in config.json model.safetensors forecast.csv metrics.json plot.csv plot.gp; do
  [ -s run/$file ] || fail "run/$file is missing"
done
[ "$(wc -l <run/forecast.csv)" -eq 145 ] || fail 'forecast.csv has not a row for each month'
[ "$(grep -c ',test,' run/forecast.csv)" -eq 24 ] || fail 'forecast.csv has not 24 held-out months'
refuses 73 'already holds a run' -q -o run
cp run/metrics.json first.json
works -q -o run --overwrite
cmp -s first.json run/metrics.json || fail 'the same command gave other numbers'
works -q -o run --overwrite --json
cmp -s out run/metrics.json || fail '--json is not what metrics.json holds'
works -q -o run --overwrite --json - <"$csv"
cmp -s first.json out || fail 'standard input gave other numbers than the same series built in'
works -q -o run --overwrite --no-log zero.csv
works -q -o run --overwrite --missing interpolate gap.csv

# Without gnuplot there is a chart in characters instead.
mkdir bin
PATH=$here/bin "$program" -o bare >out 2>err || fail 'no run without gnuplot'
grep -q 'forecast made here' err || fail 'no chart without gnuplot'
[ ! -e bare/plot.svg ] || fail 'a picture without gnuplot'

# The README's commands, in a directory from which the repository's folders are seen.
ln -s "$(dirname "$program")" build
ln -s "$source/examples" examples
sed -n '/^```/,/^```/s/^\$ //p' "$source/examples/airline/README.md" >commands
[ "$(wc -l <commands)" -ge 3 ] || fail 'the README has hardly any commands'
while read -r command; do
  sh -c "$command" >out 2>err </dev/null || fail "README: $command"
done <commands

[ $failures -eq 0 ] && echo 'all as expected'
exit $((failures > 0))
