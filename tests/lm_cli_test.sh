#!/bin/bash
# lm_cli_test.sh PROGRAM: what lm answers to every kind of bad input. A case is
#   check EXIT_CODE 'regex that stderr must match' lm ARGUMENT...
# (stdout instead where the exit code is 0); it prints "ok ..." or "not ok ...".
set -u
PATH=$(dirname "$(realpath "$1")"):$PATH
export LC_ALL=C NO_COLOR=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

verdict() {  # 0 or 1, description
  if (( $1 )); then echo "not ok $2"; failed=1; else echo "ok $2"; fi
}

check() {
  local want=$1 regex=$2 code=0 text
  shift 2
  "$@" > out 2> err < "${stdin:-/dev/null}" || code=$?
  if (( want )); then text=$(< err); else text=$(< out); fi
  if (( code == want )) && [[ $text =~ $regex ]] && ! { (( want )) && [[ $text == *internal* ]]; }; then
    verdict 0 "$*"
  else
    verdict 1 "$* (exit code $code, expected $want and /$regex/)"
    sed 's/^/    /' err
  fi
}

fits() {  # COMMAND...: no line of its output exceeds 100 columns
  "$@" | awk 'length > 100 { print "    " $0; wide = 1 } END { exit wide || NR == 0 }'
  verdict $? "$* fits 100 columns"
}

for i in {1..60}; do echo "the cat $((i % 7)) sat on the mat ."; echo "a dog $((i % 5)) ran ."; done > text
: > empty
printf ' \n\n' > blank
printf 'ab\0cd\n' > nul
printf 'good line\nab \xff cd\n' > latin1
printf 'one' > one-word
tiny=(--epochs 1 --hidden 4 --quiet)

# The command line.
check 2 "unknown command 'trian' \(did you mean train\?\)" lm trian text
check 2 'unknown option --hiden \(did you mean --hidden\?\)' lm train text --hiden 3
check 2 'unknown option -x' lm train text -x
check 2 "--hidden: must be a whole number, 1 to 65536, not 'abc'" lm train text --hidden abc
check 2 "--batch: must be .* not '-1'" lm train text --batch -1
check 2 "--lr: must be a number, at least 0, not 'nan'" lm train text --lr nan
check 2 "--dropout: must be .* not '1'" lm train text --dropout 1
check 2 "--cell: must be one of rnn, lstm, gru, not 'lstn' \(did you mean lstm\?\)" lm train text --cell lstn
check 2 '--epochs needs a value' lm train text --epochs
check 2 '--batch: .*--lr: ' lm train text --lr x --batch y
check 2 '--momentum belongs to' lm train text --optimizer adam --momentum 0.5
check 2 'FILE is required' lm eval run
check 0 'Usage: lm train' lm train --help
check 0 'compiler .*blas +OpenBLAS' lm --version
fits lm --help-all

# Input.
check 66 'nosuch: No such file.*expected a readable text file' lm train nosuch
check 66 '/: is a directory' lm train /
check 65 'empty: no sentence found: the file is empty' lm train empty
check 65 'blank: no sentence found: .*blank lines' lm train blank
check 65 'nul:1:3: NUL byte: not a text file' lm train nul
check 65 'latin1:2:4: invalid UTF-8 byte 0xFF .*iconv' lm train latin1
check 65 '<stdin>: no sentence found' lm train -
check 66 'nosuch' lm train text --valid nosuch
if (( EUID )); then
  cp text secret && chmod 0 secret
  check 66 'secret: Permission denied' lm train secret
fi

# Output.
check 0 'train loss' lm train text -o run "${tiny[@]}"
check 0 'train loss' lm train one-word -o one "${tiny[@]}"
stdin=text check 0 'train loss' lm train - -o from-stdin "${tiny[@]}"
check 73 'run: .*already holds a run.*--overwrite' lm train text -o run "${tiny[@]}"
check 0 'train loss' lm train text -o run --overwrite "${tiny[@]}"
check 73 'text: .*cannot create directory' lm train text -o text "${tiny[@]}"
check 73 '/proc/run: .*cannot create directory' lm train text -o /proc/run "${tiny[@]}"
lm eval run text --quiet 2> err > /dev/full
[[ $? == 74 && $(< err) == *'standard output: error: No space left on device'* ]]
verdict $? 'lm eval > /dev/full: exit code 74'
lm train --help-all | head -n 1 > out 2> err
[[ ${PIPESTATUS[0]} =~ ^(0|141)$ && ! -s err ]]
verdict $? 'lm train --help-all | head: no complaint'

# Runs.
check 0 '"loss": [0-9.]+' lm eval run text --json --quiet
stdin=text check 0 '120 sentences' lm eval run - --quiet
check 66 'nosuch: no such run' lm eval nosuch text
check 66 'holds no checkpoint' lm eval . text
check 66 'text is not .* a run: there is no config.json' lm eval text text
check 65 'latin1:2:4' lm eval run latin1
check 66 'nosuch: no such run' lm sample nosuch
check 66 'nosuch: no such run' lm info nosuch
check 66 'nosuch: .*No such file' lm score run nosuch
check 73 '/proc/x: ' lm synth -o /proc/x
cat text latin1 nul > mixed
[[ $(lm score run mixed 2> err | wc -l) == $(wc -l < mixed) && $(< err) == *'2 of 123 lines'* ]]
verdict $? 'lm score: a line for each line, NA for what is no text'
lm sample run --n 100000 2> err | head -n 1 > out
[[ ${PIPESTATUS[0]} =~ ^(0|141)$ && ! -s err ]]
verdict $? 'lm sample | head: no complaint'

broken() {  # a copy of the run in which the last argument, a command, breaks something
  rm -rf broken && cp -rL run broken && (cd broken && eval "$1")
}
broken 'head -c 900 best > b && mv b best'
check 65 'broken/best: .*truncated' lm eval broken text
broken 'echo hello > best'
check 65 'broken/best: ' lm eval broken text
broken 'echo { > config.json'
check 65 'broken/config.json: ' lm eval broken text
for change in '"hidden": 4/"hidden": 5' '"hidden": 4/"hidden": -4' '"hidden": 4/"hidden": 1e15' \
              '"hidden": 4/"hidden": "x"' '"cell": "rnn"/"cell": "foo"' '"layers": 1/"layers": 0'; do
  broken "sed -i 's/$change/' config.json"
  check 65 'broken/' lm eval broken text
done
broken 'echo x >> vocab.txt'
check 65 'broken/vocab.txt:[0-9]+:1: ' lm eval broken text
broken 'rm vocab.txt'
check 66 'broken/vocab.txt: No such file' lm eval broken text

exit $failed
