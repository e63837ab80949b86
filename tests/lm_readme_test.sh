#!/bin/sh
# Runs the commands of lm's README, the lines of its code blocks that begin with "$ ", in order and in
# an empty directory, with lm on PATH: each must succeed and print something.
#   lm_readme_test.sh PROGRAM SOURCE_DIRECTORY
# Of the demo, which takes longer than a test should, a shorter form is run.
set -u
program=$(realpath "$1")
readme=$(realpath "$2")/examples/lm/README.md
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
PATH=$(dirname "$program"):$PATH

awk '/^```/ { code = !code } code && sub(/^\$ /, "")' "$readme" >commands
number=0
failed=0
while IFS= read -r command <&3; do
  number=$((number + 1))
  run=$command
  [ "$command" = lm ] && run="lm train --preset demo --size 400 --epochs 2"
  if ! sh -c "$run" >out 2>err </dev/null; then
    echo "FAILED: $command"
    sed 's/^/  | /' err
    failed=1
  elif [ ! -s out ] && [ ! -s err ]; then
    echo "SILENT: $command"
    failed=1
  fi
done 3<commands
echo "$number commands of $readme"
[ $number -gt 0 ] && exit $failed
