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
refuses 65 'one.csv:2:9: error: 1 value, at least 3' one.csv
refuses 65 'short.csv: 49 values, at least 61' short.csv
refuses 2 '--length: is of the synthetic series' compare --length 700
refuses 65 'airline.csv: 144 values, at least 157' --test 120
refuses 65 'word.csv:16:9: error: "many"' word.csv
refuses 65 'constant.csv:2:9: error: column "passengers" is constant' constant.csv
refuses 65 'gap.csv:16:1: error: no row for 1 month: 1950-03' gap.csv
refuses 65 'twice.csv:16:1: error: 1 month given more than once: 1950-02' twice.csv
refuses 65 'hole.csv:16:9: error: no value for 1 month: 1950-03' hole.csv
refuses 65 'zero.csv:16:9: error: "passengers" is 0: only positive values' zero.csv
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
[ "$(sed -n "s/.*filledcurves.*rgb '\(#[0-9a-f]*\)'.*/\1/p" run/plot.gp | sort -u | wc -l)" -eq 2 ] ||
  fail 'the keys of both bands have one colour'
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
works fit $quick -o direct --overwrite --strategy direct --horizon 12  # 24 held out
works forecast direct -q
grep -q 'multi-step: the first 12 of 24, all forecast at 1958-12' out || fail 'direct over 12 of 24'
refuses 2 'forecasts 12 values at once and no more' forecast direct -q --horizon 13
works $quick -o future --test 0
grep -q '^1961-12' out || fail 'nothing of the future with nothing held out'
works backtest $quick -o back --origins 3 --horizon 6
[ "$(wc -l <back/backtest.csv)" -eq 19 ] || fail 'backtest.csv has not a row per origin and distance'
grep -q 'intervals cover' out || fail 'no coverage of the intervals'

awk 'length > 80' out | grep . >err && fail 'a table of the back-test is wider than 80 columns'
works $quick -o wide --test 24
awk 'length > 80' out | grep . >err && fail 'a table is wider than 80 columns'
grep -q '^LSTM + ARIMA + Holt-Winters ' out || fail 'no combination'
grep -q '^hybrid ' out || fail 'no hybrid'

works compare -q -o versions --synthetic --length 500 --hidden 4 --batch 64
grep -q 'largest difference' out || fail 'compare does not say how far the losses differ'
grep -q '^batched, threads  *2 ' out || fail 'compare does not list every version'
awk 'length > 80' out | grep . >err && fail 'a table of compare is wider than 80 columns'
works compare -q -o own --hidden 7
grep -q '^7 units' out || fail 'compare forgets --hidden where the series is not synthetic'
works compare -q -o gpu --device gpu --hidden 4
grep -q '^gpu 4 .*\(fallback\|x\) ' out || fail 'compare does not list the versions on a device'
awk 'length > 80' out | grep . >err && fail 'a table of compare is wider than 80 columns'
[ -s versions/growth.gp ] || fail 'no picture of the comparison'

works $quick -o run --overwrite --no-log zero.csv
works $quick -o run --overwrite --missing drop gap.csv
refuses 65 'gap2.csv:16:1: error: no row for 2 months: 1950-03, 1950-04' gap2.csv
works $quick -o run --overwrite --missing interpolate gap.csv

# A config.json that was damaged is refused, field by field; one that lacks what is newer is not.
damaged() {  # damaged SED-SCRIPT "TEXT IN THE MESSAGE"
  cp -r two bad
  sed "$1" two/config.json >bad/config.json
  refuses 65 "$2" info bad
  rm -r bad
}
damaged 's/"hidden": [0-9]*/"hidden": -4/' 'bad/config.json: model.hidden: '
damaged 's/"hidden": [0-9]*/"hidden": "x"/' 'bad/config.json: model.hidden: '
damaged '/"hidden"/d' 'bad/config.json: model.hidden: is missing'
damaged 's/"lr": [0-9.e-]*/"lr": 0/' 'bad/config.json: training.lr: '
damaged 's/"scale": "[a-z]*"/"scale": 7/' 'bad/config.json: preprocessing.scale: has a value of another'
damaged 's/"scale": "[a-z]*"/"scale": "max"/' 'bad/config.json: preprocessing.scale: must be one of none,'
damaged 's/"frequency": "[a-z]*"/"frequency": "often"/' 'bad/config.json: input.frequency: '
damaged 's/"training_values": [0-9]*/"training_values": 9/' 'input.training_values: 9: expected'
damaged 's/{/[/' 'not the settings of a run'
cp -r two old
sed '/"season":/d; /"kind"/d' two/config.json >old/config.json
works info old

# One value 300 times the others: a method that fails is a row that says why.
sed 's/^1949-06,.*/1949-06,40000/' "$csv" >outlier.csv
works $quick -o run --overwrite outlier.csv
grep -q '^Holt-Winters (multiplicative)  *none  ' out || fail 'no row of the method that failed'

# Times with commas are read again from the run.
awk -F, 'NR > 1 { print "\"week, " NR "\"," $2 } NR == 1 { print "t,y" }' "$csv" >commas.csv
works fit $quick -o commas --time-column t --freq none --season 12 commas.csv
works forecast commas -q --csv
grep -q '^"week, 145",test,' out || fail 'times with commas are not quoted'

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
series 10-minute '%Y-%m-%d %H:%M' 1 400
awk -F, 'NR > 1 { n = NR - 2; printf "2001-01-%02d %02d:%02d,%d\n", 1 + n / 144, n / 6 % 24,
  n % 6 * 10, $2 } NR == 1' 10-minute.csv >t && mv t 10-minute.csv
series business-daily '%Y-%m-%d %u' 24 90
awk -F, 'NR == 1 || $1 !~ / [67]$/ { sub(/ [1-7],/, ","); print }' business-daily.csv >t &&
  mv t business-daily.csv
for name in hourly daily weekly quarterly yearly 10-minute business-daily; do
  works $quick -o run --overwrite --test 8 $name.csv
  sed -n 's/.*"frequency": "\(.*\)",*/\1/p' run/config.json | grep -qx $name || fail "not $name"
done
works $quick -o run --overwrite --test 8 yearly.csv
grep -q '^Holt (linear trend) ' out || fail 'no Holt without a season'
grep -q '^seasonal naive' out && fail 'a seasonal naive forecast without a season'
works $quick -o run --overwrite --test 8 --season 3 yearly.csv
grep -q '^seasonal naive' out || fail 'no seasonal naive forecast with --season'
sed '1!s/,/;/; 1s/,/;/; s/$/,5/; 1s/,5//' yearly.csv >comma.csv
works $quick -o run --overwrite --test 8 comma.csv
sed -n 2p run/series.csv | grep -q '\.5$' || fail 'a decimal comma was not read'
{ head -n 1 daily.csv; sed 1d daily.csv | sort -r; } >backwards.csv
works $quick -o one --test 8 daily.csv
works $quick -o run --overwrite --test 8 backwards.csv
cmp -s one/forecast.csv run/forecast.csv || fail 'a series that runs backwards has other forecasts'
sed '1!s/^\([0-9]*\)-\([0-9]*\)-\([0-9]*\)/\3.\2.\1/' daily.csv >german.csv
works $quick -o run --overwrite --test 8 german.csv
cmp -s one/forecast.csv run/forecast.csv || fail 'days.months.years are read otherwise'
head -n 12 german.csv >doubtful.csv
refuses 65 'may be 2001-01-02 or 2001-02-01' $quick --test 0 --lookback 1 doubtful.csv
sed '1!s/^\([0-9]*\)-\([0-9]*\)-/\1_\2_/' daily.csv >odd.csv
refuses 65 'is not a time that is read' odd.csv
{ echo v; seq 101 200; } >rows.csv  # their times are 1 to 100: 24 is a number of values all the same
works --runs 1 --epochs 1 -o run --overwrite rows.csv
grep -q "76 to learn from, 24 held out" err || fail "24 values held out of plain rows"
works $quick -o run --overwrite --test 8 --freq none --no-log --no-seasonal-difference daily.csv

# Many series: long and wide, with bad ones among them.
awk 'BEGIN { print "shop,month,sales"; for (s = 1; s <= 12; s++) for (t = 0; t < 60; t++)
  printf "s%d,%d-%02d,%.3f\n", s, 2001 + int(t / 12), t % 12 + 1,
    (20 + s) * (1 + 0.3 * (t % 12 == s) + 0.01 * t + 0.02 * (t * t * s % 7)) }' >panel.csv
works -q --runs 1 --test 6 -o panel --id-column shop panel.csv
grep -q '^hybrid  *[0-9.]*%' out || fail 'no scores of the hybrid'
for file in config.json panel.csv times.csv model.safetensors forecast.csv forecast_wide.csv \
  metrics.json page.gp mase.gp; do
  [ -s panel/$file ] || fail "panel/$file is missing"
done
[ "$(wc -l <panel/forecast.csv)" -eq 73 ] || fail 'not a forecast for each series and month'
grep -q '^s12,2005-12,test,' panel/forecast.csv || fail 'no forecast of the last month'
cp panel/metrics.json first.json
works forecast panel -q --json
cmp -s out first.json || fail 'a run of a panel that is read again has other scores'
awk -F, 'NR > 1 { if ($1 != last) printf "%s%s", (NR > 2 ? "\n" : ""), $1; last = $1
  printf ",%s", $3 } END { print "" }' panel.csv >wide.csv
works -q --runs 1 --test 6 -o wide --overwrite --wide --freq M wide.csv
cmp -s wide/forecast_wide.csv panel/forecast_wide.csv || fail 'the wide form has other forecasts'
cut -d, -f 1-55 wide.csv >known.csv
cut -d, -f 1,56-61 wide.csv >next.csv
works fit -q --runs 1 --test 0 --horizon 6 -o known --wide --freq M known.csv
works forecast known -q --actual next.csv --json
cmp -s wide/metrics.json out || fail 'scores against a file of what followed are others'
{ cat wide.csv; echo 'flat,5,5,5,5'; } >bad.csv
refuses 65 'series flat: bad.csv:13: error: constant' -q --wide --test 6 --freq M bad.csv
works --runs 1 --test 6 -o run --overwrite --wide --freq M --skip-bad bad.csv
grep -q 'left out: series flat' err || fail 'a series that is left out is not named'
grep -q '^12 series (1 left out), 6 ahead' out || fail 'series that are left out are not counted'
grep -q '^series flat: bad.csv:13: ' run/left_out.txt || fail 'no list of series that are left out'
works forecast run -q --json
grep -q '"left_out": 1' out || fail 'the count of series left out is lost'
works info run
grep -q '12 series, monthly, 648 values to learn from; 1 left out' out || fail 'info of a panel'
works plot run
grep -q '^run/page.csv' out || fail 'no picture of a panel'
refuses 2 '--hidden: is of the LSTM for one series' -q --wide --hidden 3 wide.csv
refuses 2 '--model: combination: is of one series' -q --wide --model combination wide.csv
refuses 2 'a back-test is of one series, not of a panel' backtest -q --wide wide.csv
works -q --runs 1 --test 6 -o run --overwrite --wide --freq M --model lstm wide.csv
grep -q '^lstm  *[0-9.]*%' out || fail 'no scores of the LSTM of a panel'
works forecast run -q
grep -q '^lstm  *[0-9.]*%' out || fail 'a panel forgets its model'

# What followed, in the long form: by the times, whatever else the file holds.
awk -F, 'NR == 1 || $2 < "2005-07"' panel.csv >past.csv
works fit -q --runs 1 --test 0 --horizon 6 -o known --overwrite --id-column shop past.csv
works forecast known -q --actual panel.csv --json
cmp -s panel/metrics.json out || fail 'scores against a long file of what followed are others'
refuses 65 'series s1: past.csv:2:4: error: no value at 2005-07' forecast known -q --actual past.csv

# Bad series of the long form, each with its name and its line.
wrong() {  # wrong FILE "TEXT" AWK-PROGRAM
  awk -F, -v OFS=, "$3" panel.csv >"$1.csv"
  refuses 65 "$2" -q --id-column shop --test 6 "$1.csv"
  works -q --runs 1 --test 6 -o run --overwrite --id-column shop --skip-bad "$1.csv"
  grep -q '^11 series (1 left out)' out || fail "$1: --skip-bad keeps 11 of 12 series"
}
wrong pgap 'series s3: pgap.csv:136:4: error: no row for 1 month: 2002-03' '!/^s3,2002-03/'
wrong pflat 'series s4: pflat.csv:182:12: error: column "sales" is constant' \
  '$1 == "s4" { $3 = 5 } 1'
wrong pshort 'series s5: pshort.csv:242:4: error: 8 values, at least' '$1 != "s5" || $2 < "2001-09"'
wrong pdate 'series s6: pdate.csv:330:4: error: "tomorrow" is not a time' \
  '/^s6,2003-05/ { $2 = "tomorrow" } 1'
wrong ptwice 'series s7: ptwice.csv:391:4: error: 1 month given more than once' \
  '1; /^s7,2003-05/'
wrong pword 'series s8: pword.csv:450:12: error: "lots" in column "sales"' \
  '/^s8,2003-05/ { $3 = "lots" } 1'
{ cat panel.csv; grep '^s7,' panel.csv; } >pagain.csv
refuses 65 'series s7: pagain.csv:722:4: error: 60 months given more than once' -q --id-column shop \
  --test 6 pagain.csv
refuses 65 'empty.csv: the file is empty' -q --id-column shop empty.csv
refuses 65 'empty.csv: the file is empty' -q --wide empty.csv
grep -e shop -e '^s1,' panel.csv >single.csv
works -q --runs 1 --test 6 -o run --overwrite --id-column shop single.csv
{ head -n 1 panel.csv; sed 1d panel.csv | sort -r; } >shuffled.csv
works -q --runs 1 --test 6 -o run --overwrite --id-column shop shuffled.csv
for file in panel run; do sort $file/forecast.csv | cut -d, -f 1-4 >$file.txt; done
cmp -s panel.txt run.txt || fail 'rows in another order are other series'

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
