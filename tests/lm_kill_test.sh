#!/bin/bash
# lm_kill_test.sh PROGRAM [KILLS]: a run that is stopped, in whatever way and moment, loses nothing:
# its last checkpoint loads, and a resumed run ends with the bits of one that was never stopped.
# KILLS is how often a run is killed at a random moment (5).
set -u
PATH=$(dirname "$(realpath "$1")"):$PATH
kills=${2:-5}
export LC_ALL=C NO_COLOR=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
RANDOM=${SEED:-$$}
echo "seed $RANDOM"

verdict() {  # 0 or 1, description
  if (( $1 )); then echo "not ok $2"; sed 's/^/    /' err; failed=1; else echo "ok $2"; fi
}
options=(train --preset demo --size 600 --batch 4 --hidden 8 --dropout 0.2 --epochs 3 --clip-norm 5
         --progress none)
train() {  # DIRECTORY OPTION...
  lm "${options[@]}" -o "$@" > out 2> err
}
whole=whole  # the run that is never stopped
params() { grep -o '"fingerprint": "[^"]*"' "$1/results.json"; }
same() {  # DIRECTORY: it ended as the uninterrupted run did, its metrics too (but for the times)
  [[ $(params "$1") == $(params $whole) ]] &&
    cmp -s <(cut -d, -f1-3,5- $whole/metrics.csv) <(cut -d, -f1-3,5- "$1/metrics.csv")
}
ends_same() {  # DIRECTORY, description
  train "$1" --resume --save-every 20 --max-steps 0 && same "$1"
  verdict $? "$2"
}
stop() {  # SIGNAL DIRECTORY: trains and sends the signal at a random moment; the exit code
  # what a script starts beside itself ignores SIGINT
  env --default-signal=INT lm "${options[@]}" -o "$2" --resume --save-every 20 > out 2> err &
  local job=$!
  sleep "0.$(printf %03d $(( RANDOM % 120 + 10 )))"
  kill -"$1" $job 2> err_kill
  wait $job 2> err_kill
}

train whole
verdict $? 'a run without interruption'
for steps in 1 150 170 449; do
  train "steps$steps" --max-steps $steps --keep 1
  ends_same "steps$steps" "--max-steps $steps, then on"
done
train fresh --resume && [[ $(< err) == *'starting from the beginning'* ]] && same fresh
verdict $? '--resume where there is no checkpoint starts from the beginning'
train fresh --resume --batch 5
[[ $? == 2 && $(< err) == *'batch is 4 in the run, not 5'* ]]
verdict $? '--resume with another batch is refused'
train fresh
[[ $? == 73 && $(< err) == *'already holds a run'* ]]
verdict $? 'a run is not overwritten'

declare -A ends=([HUP]=129 [INT]=130 [TERM]=143)
signals() {  # for runs that repeat to the bit
  for signal in HUP INT TERM; do
    stop $signal "$whole-by$signal"; code=$?
    [[ $code == 0 || $code == "${ends[$signal]}" ]]
    verdict $? "SIG$signal ends with exit code $code"
    ends_same "$whole-by$signal" "SIG$signal, then on"
  done
}
signals
alone=("${options[@]}")
for rounds in '--update sync' '--update ssp --staleness 0'; do
  options=("${alone[@]}" --workers 2 $rounds --epochs 2) whole="whole${rounds// /}"
  train "$whole"
  verdict $? "a run with $rounds"
  signals
done
options=("${alone[@]}") whole=whole
lm "${options[@]}" -o unread --progress plain --log-every 0.01 2>&1 > out | head -n 1 > first
[[ ${PIPESTATUS[0]} == 0 && -s first ]] && same unread
verdict $? 'a dead reader of messages does not end a run'
lm "${options[@]}" -o unheard 2> err | true
same unheard
verdict $? 'a dead reader of results does not end a run'
(ulimit -v 200000; timeout 20 lm "${options[@]}" -o low > out 2> err)
[[ $? == 71 && $(< err) == *'limit on memory of 195 MB is too low'* ]]
verdict $? 'a limit on memory that is too low is refused'
stop USR1 usr1 && same usr1
verdict $? 'SIGUSR1 saves and goes on'

for (( i = 1; i <= kills; ++i )); do
  stop KILL killed
  if compgen -G 'killed/ckpt-*.safetensors' > /dev/null; then
    lm info killed > out 2> err
    verdict $? "kill $i: the last checkpoint loads ($(grep -o 'ckpt-[0-9]*' out | head -n 1))"
  fi
  [[ -e killed/results.json ]] && rm -rf killed  # it was done before: once more
done
ends_same killed "killed $kills times, then on"

# A sentence of thousands of words: signals and limits hold inside it, and it goes on to the bit.
lm synth --size 700 2> /dev/null | tr '\n' ' ' > long.txt
echo >> long.txt
lm synth --size 40 2> /dev/null >> long.txt
long=(long.txt --hidden 16 --dropout 0.2 --clip-norm 1 --valid-split 0 --epochs 3 --batch 2 --no-shuffle --progress none)
lm train "${long[@]}" -o long > out 2> err
verdict $? 'a long sentence'
lm train "${long[@]}" -o limited --max-tokens 5000 > out 2> err && [[ $(< out) == *'ended by --max-tokens'* ]] &&
  (( $(grep -o '"tokens": [0-9]*' limited/results.json | grep -o '[0-9]*') < 9000 ))
verdict $? 'a limit inside a long sentence'
lm train "${long[@]}" -o limited --resume --max-tokens 0 > out 2> err && [[ $(params limited) == $(params long) ]]
verdict $? 'a limit inside a long sentence, then on'
lm train -olimited --resume > out 2> err && [[ $(params limited) == $(params long) ]]
verdict $? '-oDIRECTORY is read as -o DIRECTORY is'
(cd limited && lm train --resume -o . > ../out 2> ../err && cd .. && [[ $(params limited) == $(params long) ]])
verdict $? 'a run is resumed from another directory'

lm "${options[@]}" --size 100000 -o removed2 --save-every 50 > out 2> err & job=$!
for (( i = 0; i < 600; ++i )); do
  [[ -e removed2/last ]] && break
  sleep 0.05
done
mv removed2 elsewhere  # at once, where rm would race with what is written
wait $job 2> err_kill
[[ $? == 74 && $(< err) == *'removed'* && $(< err) != *'free some'* ]]
verdict $? 'a run directory that is removed while training'

train unhappy --max-steps 40
before=$(< unhappy/metrics.csv)
train unhappy --resume --size 500
[[ $? != 0 && $(< unhappy/metrics.csv) == "$before" ]]
verdict $? 'a refused resume leaves the metrics alone'
rm unhappy/metrics.csv
train unhappy --resume --max-steps 0 && [[ $(< err) == *'metrics.csv'*'training goes on'* && $(params unhappy) == $(params whole) ]]
verdict $? 'without metrics.csv a run goes on'

lm "${options[@]}" --optimizer sgd --lr 50 -o wild > out 2> err
[[ $? == 10 && $(< err) == *'diverged'*'ln V'* ]]
verdict $? 'a hopeless loss is divergence'

train damaged --max-steps 170 --save-every 20
last=damaged/$(readlink damaged/last)
printf 'x' | dd of="$last" bs=1 seek=3000 conv=notrunc 2> err_kill
lm info damaged/last > out 2> err
[[ $? == 65 && $(< err) == *checksum* ]]
verdict $? 'a damaged checkpoint is recognised'
train damaged --resume --max-steps 0 && [[ $(< err) == *'going back to damaged/ckpt-000160'* ]] && same damaged
verdict $? 'a damaged checkpoint: back to the one before it'

( trap '' XFSZ; train full --max-steps 170 --save-every 20
  ulimit -f 8; train full --resume --save-every 20 --max-steps 0 )
[[ $? == 74 && $(< err) == *'could not be saved'*'is good'* ]]
verdict $? 'no space: says which checkpoint is good'
ends_same full 'no space, then on'

lm "${options[@]}" --size 100000 -o busy > out 2> err & job=$!
for (( i = 0; i < 600; ++i )); do
  [[ -e busy/config.json ]] && break
  sleep 0.05
done
kill -STOP $job
lm train --corpus agreement -o busy --resume > out2 2> err2
[[ $? == 73 && $(< err2) == *'in use by another process'* ]]
verdict $? 'a run directory in use'
kill -KILL $job
wait $job 2> err_kill

for more in '' '--workers 2 --update sync' '--state stream --bptt-mode chunk --bptt 5' '--cell gru --tied --embed 8'; do
  train verified --overwrite --max-steps 1 --verify-resume $more && [[ $(< err) == *'resume verified'* ]]
  verdict $? "--verify-resume $more"
done
train verified --overwrite --verify-resume --workers 2
[[ $? == 2 ]]
verdict $? '--verify-resume is for runs that repeat'
exit $failed
