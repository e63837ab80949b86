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
check 66 'nosuch: No such file.*expected a readable file' lm train nosuch
check 66 '/: is a directory' lm train /
check 65 'empty: no sentence found: the file is empty' lm train empty
check 65 'blank: no sentence found: .*blank lines' lm train blank
check 65 'nul:1:3: error: NUL byte: not a text file' lm train nul
check 65 'latin1:2:4: error: invalid UTF-8 byte 0xFF .*iconv' lm train latin1
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

# Tables, words, vocabularies.
{ echo body,score; for i in {1..30}; do echo "\"It's \"\"so\"\" good,
Now $i! Is it?\",$i"; done; } > table.csv
check 0 'train loss' lm train table.csv --tokenizer word --lower --split-sentences -o table "${tiny[@]}"
[[ $(sed -n '4,$s/\t.*//p' table/vocab.txt | grep -v '^[0-9]' | sort | tr '\n' ' ') == '! " , ? good is it'*"so " ]]
verdict $? 'the vocabulary of a table holds words and marks'
check 0 '90 sentences' lm eval table table.csv --quiet
check 0 '30 sentences' lm eval table table.csv --column score --quiet
check 65 'table.csv:1:1: error: no column text \(there are 2: body, score; choose one with --column\)' \
  lm train table.csv --column text
printf 'a,b\nc,"d\n' > open.csv
check 65 'open.csv:2:3: error: the quoted field that opens here is not closed' lm train open.csv
check 0 '30 sentences, 30 tokens, 30 types' lm vocab table.csv --column score
check 0 '10 tokens in v.txt' lm vocab text --vocab-size 10 -o v.txt
sed 's/$/\r/' v.txt > crlf.txt
check 0 'train loss' lm train text --vocab crlf.txt -o with-vocab "${tiny[@]}"
cmp -s v.txt with-vocab/vocab.txt
verdict $? 'lm train --vocab keeps the vocabulary'
check 0 'train loss' lm train latin1 --on-bad-utf8 replace -o replaced "${tiny[@]}"

# Other programs.
check 0 'train loss' lm train text --preset reference --valid-split 0 -o reference "${tiny[@]}"
check 0 'U +4 x [0-9]+' lm export reference -o reference.npz
check 0 'rnn 1 x 4' lm import reference.npz --vocab reference/vocab.txt -o imported
[[ $(lm eval reference text --quiet) == "$(lm eval imported text --quiet)" ]]
verdict $? 'an imported model has the loss of the exported one'
check 2 'run.npz: U, V and W are all of one tanh layer.*hint: .*safetensors' lm export run -o run.npz
check 0 'rnn.bias_hh_l0 ' lm export run -o run.safetensors
check 0 'rnn 1 x 4' lm import run.safetensors -o numbered
check 2 'model.bin: not a format' lm export run -o model.bin
check 65 'v.txt has 10 tokens and the model of run.safetensors has' \
  lm import run.safetensors --vocab v.txt -o other
# A model whose ids are in another order, by the names of its special tokens.
{ sed -n '4,$p' reference/vocab.txt; echo 'EOS'; echo '[UNK]'; echo 'SENTENCE_START'; } | cut -f 1 > names
check 65 "names has no token '<x>'.*hint: .*--unk" lm import reference.npz --vocab names --unk '<x>' -o named
check 0 'rnn 1 x 4' lm import reference.npz --vocab names -o named
[[ $(head -n 4 named/vocab.txt | tr '\n\t' ' ,') == '<unk>,0 <s>,0 </s>,0 '* ]]
verdict $? 'an imported vocabulary begins with the special tokens'
check 0 '[a-z]' lm sample named --n 20
sed s/UNK/unknown/ names > nounk
check 65 'nounk has no unknown token of a usual name.*hint: name it with --unk' \
  lm import reference.npz --vocab nounk -o other
check 0 'rnn 1 x 4' lm import reference.npz --vocab nounk --unk '[unknown]' -o other
sed s/SENTENCE_START/x/ names > nobegin
check 0 'rnn 1 x 4' lm import reference.npz --vocab nobegin -o begins
check 0 'perplexity [0-9.]+,' lm eval begins text --quiet
check 2 'no text to train on' lm train --resume -o named
check 0 'train loss' lm train text --resume -o imported --epochs 1 --quiet
check 0 'train loss' lm train text --resume -o imported --epochs 2 --quiet
head -c 500 reference.npz > cut.npz
check 65 'cut.npz: not an npz file' lm import cut.npz -o other
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

# A text without line ends.
for i in {1..12000}; do printf 'the cat %d sat ' $((i % 7)); done > line
check 0 'train loss' lm train line -o line-run --vocab v.txt --valid-split 0.1 --max-steps 20 --quiet --hidden 4
check 0 'train loss' lm train line -o stream-run --state stream --bptt-mode chunk --bptt 10 --max-steps 20 \
  --quiet --hidden 4
lm vocab line 2> err > out
[[ $(< err) == 'input  line: 1 line of more than 10000 tokens (the longest 48000) read in pieces of 50' ]]
verdict $? 'lm vocab says that a line was cut'
{ cat line; echo; head -n 2 text; } > three
[[ $(lm score run three | wc -l) == 3 ]]
verdict $? 'lm score: one number for a line of many parts'
loss=$(lm eval line-run line --json --quiet | sed -n 's/.*"loss": \([0-9.]*\),/\1/p')
score=$(lm score line-run --unit ln line)
awk -v l="$loss" -v s="$score" 'BEGIN { d = 1 + s / 48001 / l; exit !(d < 1e-6 && d > -1e-6) }'
verdict $? "lm score ($score) is the loss of lm eval ($loss) times its tokens"

# Runs.
(cd run && lm info best) > out 2> err
[[ $? == 0 && $(< out) == *'checkpoint  ckpt-'* ]]
verdict $? 'lm info best, inside the run'
mkfifo never && exec 7<> never
stdin=never check 0 'learning_curve.csv.*learning_curve.gp' timeout 60 lm plot from-stdin -q
check 73 'run: error: already holds a run' timeout 60 lm train never -o run  # before it reads the text
exec 7>&-
check 0 '3-gram +[0-9.]+ +[0-9.]+.network.*network with 3-gram.*tuned on [0-9]+ tokens that the run held out' \
  lm eval run text --ngram 3 --quiet
check 0 '"order": 5.*"mixture_loss": [0-9.]+' lm eval run text --ngram 5 --json --quiet
check 0 'dynamic +[0-9.]+ +[0-9.]+.dynamic with 3-gram.*where it is dynamic' \
  lm eval run text --dynamic --ngram 3 --quiet
check 0 '"dynamic": .*"perplexity": [0-9.]+' lm eval run text --dynamic --json --quiet
check 66 'no n-grams without its training text: it was read from standard input' \
  lm eval from-stdin text --ngram 3 --quiet
check 66 'no n-grams without its training text: the model was imported' \
  lm eval named text --ngram 3 --quiet
check 0 '"loss": [0-9.]+' lm eval run text --json --quiet
stdin=text check 0 '120 sentences' lm eval run - --quiet
awk '{ for (i = 1; i <= NF; ++i) bytes += length($i) + 1 } END { print bytes }' text > bytes
check 0 "\"bytes\": $(< bytes),.*\"bits_per_byte\": [0-9.]+" lm eval run text --json --quiet
check 0 'perplexity [0-9.]+, without unknown tokens [0-9.]+' lm eval run text --quiet
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
broken 'rm ckpt-* last; head -c 1500 best > b && mv b best'
check 65 'broken/best: .*truncated' lm eval broken text
broken 'rm ckpt-* last; echo hello > best'
check 65 'broken/best: ' lm eval broken text
broken 'echo hello > best'
check 0 'perplexity' lm eval broken text
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
