#!/bin/bash
# threads_of_programs.sh LM AIRLINE: both programs with several workers, for ThreadSanitizer, which
# ends a program that has a race with exit code 66.
set -euo pipefail
lm=$1 airline=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export TSAN_OPTIONS="${TSAN_OPTIONS-} exitcode=66"

small=(--corpus agreement --size 400 --hidden 16 --epochs 1 --batch 4 --quiet)
for policy in async sync ssp critical; do  # hogwild and critical-push race by design
  "$lm" train "${small[@]}" --workers 2 --update $policy --clip-norm 5 -o $policy
done
"$lm" train "${small[@]}" --workers 2 --record schedule -o recorded
"$lm" train "${small[@]}" --workers 2 --replay schedule -o replayed
code=0  # a loss that is no number: a worker says whose it is while the other goes on
"$lm" train "${small[@]}" --workers 2 --lr 1e38 -o diverged 2> /dev/null || code=$?
(( code == 10 ))
"$lm" train "${small[@]}" --threads 2 -o threads
"$airline" --epochs 3 --runs 4 --workers 2 --quiet -o airline
