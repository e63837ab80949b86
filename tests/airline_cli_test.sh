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
sed '/^1950-0[34]/d' "$csv" >gap2.csv
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
refuses 65 'short.csv: 49 values, at least 61' short.csv
refuses 65 'airline.csv: 144 values, at least 157' --test 120
refuses 65 'word.csv:16:9: error: "many"' word.csv
refuses 65 'constant.csv: column "passengers" is constant' constant.csv
refuses 65 'gap.csv:16:1: error: no row for 1 month: 1950-03' gap.csv
refuses 65 'twice.csv:16:1: error: 1 month given more than once: 1950-02' twice.csv
refuses 65 'hole.csv:16:9: error: no value for 1 month: 1950-03' hole.csv
refuses 65 'use --no-log' zero.csv
refuses 65 'headless.csv:1:1: error: the first line holds data' headless.csv
refuses 2 '--hiden (did you mean --hidden?)' --hiden 20
refuses 2 '--hidden: must be a whole number' --hidden 0
refuses 2 "'other.csv'" "$csv" other.csv
refuses 73 'empty.csv/run: error: cannot create directory' -o empty.csv/run
refuses 10 'not finite' -q --lr 1e9 --epochs 300 --runs 1 --hidden 4 --test 100

refuses 2 '--test: "May" is neither a number of values nor a time' --test May
refuses 2 '--runs: stands before the command fit' --runs 3 fit
refuses 66 'nowhere: no run of airline fit' forecast nowhere
refuses 65 'see --origins, --horizon and --lookback' backtest short.csv

# Networks that are hardly trained are enough to see the program work.
quick='-q --runs 2 --epochs 1'
works $quick -o run
grep -q '^LSTM ' out || fail 'no line of the LSTM on standard output'
[ ! -s err ] || fail 'not quiet'
for file in config.json series.csv model.safetensors forecast.csv metrics.json plot.csv plot.gp \
  residuals.gp loss.gp; do
  [ -s run/$file ] || fail "run/$file is missing"
done
[ "$(wc -l <run/forecast.csv)" -eq 145 ] || fail 'forecast.csv has not a row for each month'
[ "$(grep -c ',test,' run/forecast.csv)" -eq 24 ] || fail 'forecast.csv has not 24 held-out months'
refuses 73 'already holds a run' $quick -o run
cp run/metrics.json first.json
works $quick -o run --overwrite
cmp -s first.json run/metrics.json || fail 'the same command gave other numbers'
works $quick -o run --overwrite --json
cmp -s out run/metrics.json || fail '--json is not what metrics.json holds'
works $quick -o run --overwrite --json - <"$csv"
cmp -s first.json out || fail 'standard input gave other numbers than the same series built in'

# fit, then forecast, is what the program does without a command.
works fit $quick -o two
works forecast two -q --json
cmp -s first.json out || fail 'fit and forecast gave other numbers than both at once'
works forecast two -q --csv --horizon 30
[ "$(head -n 1 out)" = time,split,actual,forecast,lo80,hi80,lo95,hi95 ] || fail 'another CSV header'
grep -q '^1961-06,future,,' out || fail 'no forecast of the future'
works info two
grep -q 'held out  *24 from 1959-01 on' out || fail 'info does not say what is held out'
works plot two
works fit $quick -o direct --strategy direct --horizon 12 --test 1960-01 --month-features
works forecast direct -q
refuses 2 'forecasts 12 values at once and no more' forecast direct -q --horizon 13
works $quick -o future --test 0
grep -q '^1961-12' out || fail 'nothing of the future with nothing held out'
works backtest $quick -o back --origins 3 --horizon 6
[ "$(wc -l <back/backtest.csv)" -eq 19 ] || fail 'backtest.csv has not a row per origin and distance'
grep -q 'intervals cover' out || fail 'no coverage of the intervals'

works compare -q -o versions --synthetic --length 500 --hidden 4 --batch 64
grep -q 'largest difference' out || fail 'compare does not say how far the losses differ'
grep -q '^batched, threads  *2 ' out || fail 'compare does not list every version'
[ -s versions/growth.gp ] || fail 'no picture of the comparison'

works $quick -o run --overwrite --no-log zero.csv
works $quick -o run --overwrite --missing drop gap.csv
refuses 65 'gap2.csv:16:1: error: no row for 2 months: 1950-03, 1950-04' gap2.csv
works $quick -o run --overwrite --missing interpolate gap.csv

# Series of every frequency, found in the file.
series() {  # series NAME FORMAT-OF-date(1) STEP COUNT
  echo time,value >"$1.csv"
  i=0
  while [ $i -lt "$4" ]; do
    echo "$(date -u -d "2001-01-01 00:00 UTC + $((i * $3)) hours" "+$2"),$((50 + i + i * i % 7))"
    i=$((i + 1))
  done >>"$1.csv"
}
series hourly '%Y-%m-%d %H:00' 1 100
series daily %Y-%m-%d 24 60
series weekly %Y-%m-%d 168 140
series yearly %Y 8766 60
awk 'BEGIN { print "quarter,units"; for (i = 0; i < 60; i++)
  printf "%d-Q%d,%d\n", 1990 + int(i / 4), i % 4 + 1, 50 + i + i % 4 * 5 }' >quarterly.csv
for name in hourly daily weekly quarterly; do
  works $quick -o run --overwrite --test 8 $name.csv
  sed -n 's/.*"frequency": "\(.*\)",*/\1/p' run/config.json | grep -qx $name || fail "not $name"
done
works $quick -o run --overwrite --test 8 yearly.csv
{ echo v; seq 101 200; } >rows.csv  # their times are 1 to 100: 24 is a number of values all the same
works --runs 1 --epochs 1 -o run --overwrite rows.csv
grep -q "76 to learn from, 24 held out" err || fail "24 values held out of plain rows"
works $quick -o run --overwrite --test 8 --freq none --no-log --no-seasonal-difference daily.csv

# Without gnuplot there is a chart in characters instead.
mkdir bin
PATH=$here/bin "$program" --runs 1 --epochs 1 -o bare >out 2>err || fail 'no run without gnuplot'
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
