#!/bin/bash
# lm_mpi_test.sh PROGRAM [KILLS]: several ranks under mpirun train as one process would, speak once,
# resume with any number of ranks, and all end where one does. KILLS is how often a random rank is
# killed at a random moment (3).
set -u
PATH=$(dirname "$(realpath "$1")"):$PATH
kills=${2:-3}
export LC_ALL=C NO_COLOR=1 OMP_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_odls_base_sigkill_timeout=3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
RANDOM=${SEED:-$$}
echo "seed $RANDOM"

verdict() {  # 0 or 1, description
  if (( $1 )); then echo "not ok $2"; sed 's/^/    /' err out; failed=1; else echo "ok $2"; fi
}
options=(--preset demo --size 400 --batch 4 --hidden 8 --dropout 0.2 --epochs 2 --clip-norm 5 --progress none)
ranks() {  # NUMBER DIRECTORY OPTION...
  timeout 300 mpirun -n "$1" lm train "${options[@]}" -o "${@:2}" > out 2> err
}
params() { grep -o '"fingerprint": "[^"]*"' "$1/results.json"; }
same() { [[ -n $(params "$1") && $(params "$1") == $(params "$2") ]]; }
stop() {  # SIGNAL RANK|mpirun NUMBER DIRECTORY OPTION...: sends the signal at a random moment
  mpirun -n "$3" lm train "${options[@]}" -o "$4" --save-every 100 "${@:5}" > out 2> err & local job=$! target i
  for (( i = 0; i < 400; ++i )); do [[ -e $4/ckpt-000100.safetensors ]] && break; sleep 0.05; done
  sleep 0.$(( RANDOM % 50 ))
  target=$job
  # MPICH has a process of its own in between.
  [[ $2 == mpirun ]] || target=$(pgrep -P "$job,$(pgrep -d, -P $job)" -x lm | sed -n "$(( $2 + 1 ))p")
  [[ -z $target ]] || kill -"$1" "$target" 2> err_kill
  wait $job 2> err_kill
}

lm train "${options[@]}" -o alone > out 2> err
ranks 1 one && same one alone
verdict $? 'one rank gives the bits of no MPI'
for rule in 'sgd --lr 0.05' 'adam' 'adam --embed 8 --softmax sampled --samples 20' 'sgd --embed 8 --row-optimizer adagrad'; do
  for n in 2 4; do
    lm train "${options[@]}" --optimizer $rule --workers $n --update sync --overwrite -o process > out 2> err
    ranks $n sync --between sync --optimizer $rule --overwrite && same sync process
    verdict $? "$n synchronous ranks give the bits of $n synchronous workers: $rule"
  done
done
[[ $(grep -c '^run ' out) == 1 && $(grep -c '^epoch' err) -le 2 ]] && grep -q '^rank  *tokens' err &&
  grep -q '"communicate_seconds"' sync/results.json
verdict $? 'rank 0 speaks for all, with a line and a record for each rank'
ranks 2 two --workers 2 --update sync --between sync &&
  lm train "${options[@]}" --workers 4 --update sync -o four > out 2> err && same two four
verdict $? '2 ranks of 2 workers are 4 workers'

for outer in average sum diversity momentum; do
  for i in 1 2; do
    ranks 3 "items$i" --exchange-by items --exchange-every 300 --outer $outer --overwrite
  done
  same items1 items2
  verdict $? "--exchange-by items repeats to the bit: $outer"
done
ranks 3 time --exchange-every 500 && grep -q '"epochs": 2' time/results.json
verdict $? '--exchange-by time'
ranks 8 tiny --size 3 --batch 1
verdict $? '8 ranks, 3 sentences'
lm synth --size 300 2> /dev/null > text
timeout 300 mpirun -n 2 lm train text --stream 100 --epochs 1 --hidden 8 -o streamed > out 2> err
verdict $? '--stream'
each=$(( $(nproc) / 2 )); each=$(( each < 1 ? 1 : each > 4 ? 4 : each ))
timeout 300 mpirun -n 2 lm train text --epochs 1 -o shared > out 2> err && grep -q "2 of $each worker" err
verdict $? 'ranks of one machine share its processors'

options[3]=6000  # long enough to be interrupted
lm train "${options[@]}" --workers 2 --update sync -o whole > out 2> err
ranks 2 part --between sync --max-steps 30 && ranks 2 part --resume --between sync --max-steps 0 && same part whole
verdict $? 'a limit, then on: the bits of the run without'
ranks 3 grow --max-steps 40 && ranks 4 grow --resume --max-steps 0 && lm train "${options[@]}" -o grow --resume --epochs 3 > out 2> err
verdict $? '3 ranks, then 4, then none'

for target in 0 1 mpirun; do
  stop TERM $target 2 "term$target" --between sync; code=$?
  (( code == 143 || code == 0 )) || [[ $target == mpirun && $code == 1 ]]  # mpirun has codes of its own
  (( $? == 0 )) && ranks 2 "term$target" --resume --between sync && same "term$target" whole
  verdict $? "SIGTERM to $target ends with code $code; then on"
  stop USR1 $target 2 "usr$target" --between sync && same "usr$target" whole
  verdict $? "SIGUSR1 to $target"
done
for (( i = 1; i <= kills; ++i )); do
  target=$(( RANDOM % 2 ))
  rm -rf killed
  stop KILL $target 2 killed --between sync; code=$?
  # Open MPI names the rank; MPICH says "killed by signal" of its process, and has code 9.
  (( code == 0 )) || { (( code == 137 )) && grep -q "rank $target.*signal 9" err; } ||
    { (( code == 9 )) && grep -q 'BAD TERMINATION' out; }
  (( $? == 0 )) &&
    ranks 2 killed --resume --between sync && same killed whole
  verdict $? "kill $i, of rank $target: code $code; then on"
done

timeout 60 mpirun -n 2 lm train missing.txt -o gone > out 2> err
[[ $? != 0 && $(< err) == *'rank 0 failed'*'missing.txt'* && $(grep -c 'lm: error' err) == 1 ]]
verdict $? 'what all ranks find wrong is said once'
echo 'one two three' > other
timeout 60 mpirun -n 1 lm train text -o differ : -n 1 lm train other -o differ > out 2> err
[[ $? == 65 && $(< err) == *'rank 1 read another text than rank 0'* ]]
verdict $? 'ranks with different texts'
ranks 2 wild --optimizer sgd --lr 1e38 --momentum 0.9 --clip-norm 0
[[ $? == 10 && $(< err) == *'diverged'*'rank '*', worker 0, item '* ]]
verdict $? 'divergence names rank, worker and item'
ranks 2 refused --state stream --bptt-mode chunk --bptt 5
[[ $? == 2 && $(< err) == *'goes with one rank'* ]]
verdict $? '--state stream is refused'
SLURM_NTASKS=4 lm train "${options[@]}" -o lone > out 2> err && [[ $(< err) == *'Slurm has 4 tasks'* ]]
verdict $? 'a lone task under Slurm is noticed'
timeout 60 mpirun -n 3 lm info whole > out 2> err && [[ $(grep -c 'run.json' out) == 1 ]]
verdict $? 'other commands are the first rank'"'"'s'
exit $failed
