#!/bin/bash
# curves.sh LM TEXT [DIRECTORY [SECONDS]]: trains a GRU with the exact, the sampled and the adaptive softmax for
# SECONDS (40) each, one worker, and draws what is held out over time: DIRECTORY/learning_curve_time.png.
set -eu
lm=$(realpath "$1") text=$(realpath "$2")
directory=${3:-curves} seconds=${4:-40}
mkdir -p "$directory"
cd "$directory"
common=(--split-sentences --max-sentences 5000 --vocab-size 8000 --valid-split 0.05 --cell gru --hidden 100
        --embed 100 --dropout 0.2 --locked-dropout --unigram-bias --bptt-mode full --batch 8 --group-lengths 32
        --optimizer adam --lr 0.003 --row-optimizer adagrad --row-lr 0.1 --workers 1 --epochs 100
        --patience 100 --max-time "$seconds" --overwrite --quiet --progress none)
for softmax in full sampled adaptive; do
  "$lm" train "$text" "${common[@]}" --softmax $softmax -o $softmax | grep -E 'loss|tokens/s'
done
"$lm" plot full sampled adaptive -o . --quiet
