#!/bin/bash
# Runs the commands of the READMEs, in order, each README in an empty directory of its own, with the
# programs on PATH: each must succeed and print something.
#   readme_test.sh PROGRAMS_DIRECTORY SOURCE_DIRECTORY README...
# A command is a line of a code block that begins with "$ ", or "    ./run lm" or "    ./run airline"
# in the main README, continued where it ends with a backslash. Not run: what builds, tests or measures,
# and what trains on files that are not there (the text of WikiText-2 is in no repository). Of the demos,
# which take longer than a test should, a shorter form is run.
set -u
programs=$(realpath "$1") source=$(realpath "$2")
shift 2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
PATH=$programs:$PATH
failed=0

commands() {  # FILE: a command per line
  awk '/^```/ { code = !code }
       { line = "" }
       code && sub(/^\$ /, "") { line = $0 }
       !code && sub(/^    \.\/run /, "") { line = $0 }
       code && sub(/^\.\/run /, "") { line = $0 }
       more { line = $0; sub(/^ +/, "", line) }
       line == "" { next }
       { more = sub(/ *\\$/, " ", line); printf "%s", line; if (!more) print "" }' "$1" |
    sed 's/  *#.*//'
}

for readme in "$@"; do
  mkdir "$work/here" && cd "$work/here" && ln -s "$source/examples" . || exit 1
  number=0 skipped=0
  while IFS= read -r command <&3; do
    run=${command#build/}
    case $run in
      lm) run='lm train --preset demo --size 400 --epochs 2' ;;
      airline) run='airline --epochs 20' ;;
      *wikitext2*|test*|bench*|cmake*|git\ *|cd\ *|ctest*|*FILE*|*RUN*|*...*)
        skipped=$(( skipped + 1 ))
        continue ;;
    esac
    number=$(( number + 1 ))
    if ! bash -c "$run" > out 2> err < /dev/null; then
      echo "FAILED: $command"
      sed 's/^/  | /' err
      failed=1
    elif [[ ! -s out && ! -s err ]]; then
      echo "SILENT: $command"
      failed=1
    fi
  done 3< <(commands "$source/$readme")
  echo "$readme: $number commands run, $skipped not"
  (( number )) || failed=1
  cd / && rm -rf "$work/here"
done
exit $failed
