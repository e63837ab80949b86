#!/bin/bash
# Runs lm on every kind of input that it refuses and compares what it says with tests/lm_errors.md.
#   lm_errors_test.sh PROGRAM SOURCE_DIRECTORY [--write]
# --write brings lm_errors.md up to date instead.
set -u
table=$(realpath "$2")/tests/lm_errors.md
PATH=$(dirname "$(realpath "$1")"):$PATH
export LC_ALL=C NO_COLOR=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

section() { printf '\n## %s\n\n| input | command | exit code | message |\n|---|---|---|---|\n' "$1"; }

row() {  # INPUT lm ARGUMENT...: a row of the table
  local input=$1 code=0
  shift
  "$@" > /dev/null 2> err < "${stdin:-/dev/null}" || code=$?
  printf '| %s | `%s` | %s | %s |\n' "$input" "${*//$'\xff'/\\xff}" "$code" \
    "$(sed -n "s|$work/||g; "'s/|/\\|/g; s/^lm: //p' err | paste -sd '~' | sed 's/~/<br>/g')"
}

changed() {  # COMMAND: `broken` is `run` in which the command has changed something
  rm -rf broken && cp -rL run broken && (cd broken && eval "$1")
}

tensors() {  # HEADER [ELEMENTS]: a safetensors file
  local n=${#1} i
  for (( i = 0; i < 8; ++i )); do printf "\\x$(printf %02x $((n >> 8 * i & 255)))"; done
  printf %s "$1"
  head -c "${2:-0}" /dev/zero
}

for i in {1..60}; do echo "the cat $((i % 7)) sat on the mat ."; done > text
lm train text --epochs 1 --hidden 4 --quiet -o run > /dev/null
lm train text --epochs 1 --hidden 4 --quiet --preset reference -o reference > /dev/null
lm export run -o run.safetensors > /dev/null
lm export reference -o reference.npz > /dev/null
lm train - --epochs 1 --hidden 4 --quiet -o from-stdin < text > /dev/null
lm import run.safetensors --vocab run/vocab.txt -o imported > /dev/null
sed 's/\t.*/\t0/' run/vocab.txt > uncounted.txt
lm import run.safetensors --vocab uncounted.txt -o uncounted > /dev/null
sed -i 's/"softmax": "full"/"softmax": "sampled"/; s/"samples": 128/"samples": 4/' uncounted/config.json
lm train text --epochs 1 --hidden 4 --quiet --softmax adaptive -o adaptive > /dev/null
awk -F '\t' -v OFS='\t' '{ print $1, NR }' run/vocab.txt > unsorted.txt
cp text other-text
cp text third-text
lm train other-text --epochs 1 --hidden 4 --quiet -o changed-text > /dev/null
lm train third-text --epochs 1 --hidden 4 --quiet -o lost-text > /dev/null
echo 'the cat 1 sat .' >> other-text
rm third-text

all() {
  cat << 'END'
# What lm refuses

Every error of `lm`: the input, the command, the exit code and the message. A test runs each command
and compares; it also wrote this table (`tests/lm_errors_test.sh PROGRAM SOURCE --write`). A message
names the place (`FILE:LINE:COLUMN`, columns in characters) and, where there is one, the remedy.
END
  section 'The command line'
  row 'an unknown command' lm trian text
  row 'an unknown option' lm train text --hiden 3
  row 'no value' lm train text --epochs
  row 'not a number' lm train text --hidden abc
  row 'outside the range' lm train text --dropout 1
  row 'an unknown name' lm train text --cell lstn
  row 'several at once' lm train text --lr x --batch y
  row 'a missing argument' lm eval run
  row 'one argument too many' lm info run text
  row 'nothing to train on' lm train
  row 'a built-in corpus and a file' lm train text --corpus zipf
  row 'a built-in corpus and held-out text' lm train --corpus zipf --valid text
  row 'a built-in corpus and a vocabulary' lm train --corpus zipf --vocab vocab.txt
  row 'tied weights of different widths' lm train text --tied
  row 'a window of no steps' lm train text --bptt-mode chunk --bptt 0
  row 'momentum of another rule' lm train text --optimizer adam --momentum 0.5
  row 'weight decay of another rule' lm train text --optimizer rmsprop --weight-decay 0.1
  row 'a rate of no rule of its own' lm train text --row-lr 0.1
  row 'biases, and none' lm train text --unigram-bias --no-bias
  row 'two presets' lm train text --quality --preset demo
  row 'sorted, and in order' lm train text --group-lengths 8 --no-shuffle
  row 'sorted, and as a stream' lm train text --group-lengths 8 --state stream --bptt-mode chunk
  row 'cutoffs of no tails' lm train text --cutoffs 5
  row 'cutoffs out of order' lm train text --softmax adaptive --cutoffs 8 5
  row 'a cutoff of all words' lm train text --softmax adaptive --cutoffs 100
  row 'narrow tails, and tied' lm train text --softmax adaptive --embed 100 --tied
  row 'no words to sample' lm train text --softmax sampled --samples 0
  row 'more words to sample than there are' lm train text --softmax sampled --samples 500
  row 'words to sample without counts' lm train text --resume -o uncounted --epochs 2
  row 'two kinds of workers' lm train text --workers 2 --simulate 2
  row 'a plan of nodes without --dry-run' lm train text --nodes 4
  row 'a factor of a mean that is none' lm train text --outer sum --outer-rate 2
  row 'a momentum without one' lm train text --outer-momentum 0.5
  row 'a network that is no rate' lm train text --epochs 1 --dry-run --quiet --nodes 4 --network fast
  row 'simulated workers of another kind' lm train text --simulate 2 --update sync
  row 'two levels of parallelism' lm train text --workers 2 --threads 2
  row 'pieces of synchronous items' lm train text --update sync --max-item-tokens 5
  row 'record and replay' lm train text --record a --replay b
  row 'a recording of another kind' lm train text --record a --update sync
  row 'a stream of whole sentences' lm train text --state stream
  row 'a stream and several workers' lm train text --state stream --bptt-mode chunk --workers 2
  row 'a time that is none' lm train text --max-time 5x
  row 'a recording that stops inside an epoch' lm train text --record a --max-steps 5
  row 'a run to resume that is not named' lm train text --resume
  row 'resume and overwrite' lm train text --resume --overwrite -o run
  row 'a run to resume with other settings' lm train --resume --batch 5 --lr 1 -o run
  row 'a proof for workers that race' lm train text --verify-resume --workers 2
  row 'a quote of two characters' lm train text --quote ab
  row 'a prompt that is not UTF-8' lm sample run --prompt $'\xff'
  row 'a prompt with a mark' lm sample run --prompt 'the </s>'
  row 'lengths that exclude each other' lm sample run --length 3 --min-length 5
  row 'an unknown format' lm export run -o model.bin
  row 'an unknown format' lm import model.bin -o other
  row 'U, V, W of another model' lm export run -o run.npz
  row 'n-grams that are too long' lm eval run text --ngram 6
  row 'a temperature below 0' lm sample run --temperature -1
  row 'a unit that is none' lm score run text --unit nats
  row 'a corpus that is none' lm synth --corpus news
  row 'a preset that is none' lm train text --preset refrence

  section 'Text'
  row 'no such file' lm train nosuch
  row 'a directory' lm train /
  : > empty
  row 'an empty file' lm train empty
  printf ' \n\n' > blank
  row 'nothing but white space' lm train blank
  printf '= Title =\n' > headings
  row 'nothing but headings' lm train headings --split-sentences
  printf 'ab\0cd\n' > nul
  row 'a NUL byte' lm train nul
  printf 'good line\nab \xff cd\n' > latin1
  row 'not UTF-8' lm train latin1
  printf '\377\376a\0\n\0' > utf16
  row 'UTF-16' lm train utf16
  row 'UTF-16, to be repaired' lm train utf16 --on-bad-utf8 replace
  printf 'a\0b\0\n\0' > utf16le
  row 'UTF-16 without a byte-order mark' lm vocab utf16le
  printf 'a b\rc \377\r' > mac
  row 'not UTF-8, lines that end with CR' lm train mac
  printf 'a b\nc </s> d\n' > marks
  row 'a token that marks an end' lm train marks
  stdin=empty row 'empty standard input' lm train -
  row 'not UTF-8, when evaluated' lm eval run latin1
  row 'no such file, when scored' lm score run nosuch
  row 'no such held-out text' lm train text --valid nosuch
  row 'an empty held-out text' lm train text --valid empty
  row 'a mark, when evaluated' lm eval run marks

  section 'Tables'
  printf 'body,n\n"a, b",1\n' > table.csv
  row 'no column of that name' lm train table.csv --column text
  row 'no column of that number' lm train table.csv --column 3
  printf 'a,b\nc\n' > ragged.csv
  row 'a row that is too short' lm train ragged.csv --column 2
  printf 'a\nb,"c\nd\n' > open.csv
  row 'a quote that is not closed' lm train open.csv
  printf 'a "b" c\n' > inner.csv
  row 'a quote inside a field' lm train inner.csv
  printf '"a" b\n' > after.csv
  row 'text behind a quoted field' lm train after.csv
  printf 'body\n' > header.csv
  row 'a header and no row' lm train header.csv
  printf 'body\nok\n"one\n<s>"\n' > marks.csv
  row 'a token that marks a begin' lm train marks.csv

  section 'Vocabularies'
  printf '<unk>\t0\n<s>\t1\n</s>\t1\nthe\t1\n' > good
  vocabulary() { cp good vocab.txt; printf "$1" >> vocab.txt; }
  row 'no such file' lm train text --vocab nosuch
  vocabulary 'cat 1\n'
  row 'no tab' lm train text --vocab vocab.txt
  vocabulary 'cat\tone\n'
  row 'no count' lm train text --vocab vocab.txt
  vocabulary 'the\t1\n'
  row 'a token twice' lm train text --vocab vocab.txt
  vocabulary 'a cat\t1\n'
  row 'white space' lm train text --vocab vocab.txt
  printf 'the\t1\n' > vocab.txt
  row 'no special tokens' lm train text --vocab vocab.txt
  head -n 2 good > vocab.txt
  row 'fewer lines than special tokens' lm train text --vocab vocab.txt
  printf '\377\376a\0' > vocab.txt
  row 'UTF-16' lm train text --vocab vocab.txt
  vocabulary 'cat\t-1\n'
  row 'a count below 0' lm train text --vocab vocab.txt
  vocabulary '\n'
  row 'an empty line' lm train text --vocab vocab.txt

  section 'Runs'
  row 'no such run' lm eval nosuch text
  mkdir nothing
  row 'a directory without a run' lm eval nothing text
  row 'a file outside a run' lm eval text text
  changed 'rm vocab.txt'
  row 'no vocabulary' lm eval broken text
  changed 'head -n 5 vocab.txt > v; mv v vocab.txt'
  row 'another vocabulary' lm eval broken text
  changed 'echo { > config.json'
  row 'a configuration that is not JSON' lm eval broken text
  changed "sed -i /hidden/d config.json"
  row 'a setting that is missing' lm eval broken text
  changed "sed -i 's/\"hidden\": 4/\"hidden\": \"4\"/' config.json"
  row 'a setting of another type' lm eval broken text
  changed "sed -i 's/\"hidden\": 4/\"hidden\": 0/' config.json"
  row 'a size that makes no sense' lm eval broken text
  changed "sed -i 's/\"exact\"/\"exactly\"/' config.json"
  row 'an unknown name' lm eval broken text
  changed "sed -i 's/\"space\"/\"spice\"/' config.json"
  row 'an unknown name of the input' lm eval broken text
  changed "sed -i 's/\"hidden\": 4/\"hidden\": 5/' config.json"
  row 'a model of another size' lm eval broken text
  changed "rm ckpt-* last; echo hello > best"
  row 'a checkpoint that is none' lm eval broken text
  # within the tensors: how long the header before them is depends on times that it holds
  changed 'rm ckpt-* last; head -c $((8 + $(od -An -t u8 -N 8 best) + 420)) best > b; mv b best'
  row 'a checkpoint that is cut off' lm eval broken text
  changed "echo { > results.json"
  row 'results that are none' lm info broken
  row 'exporting tails' lm export adaptive -o adaptive.safetensors
  row 'words out of order' lm train text --vocab unsorted.txt --softmax adaptive
  row 'learning on without the text' lm eval imported text --dynamic
  row 'learning on from another text' lm eval changed-text text --dynamic
  row 'n-grams of a text that is another now' lm eval changed-text text --ngram 3
  row 'n-grams of a text that is gone' lm eval lost-text text --ngram 3
  row 'n-grams of standard input' lm eval from-stdin text --ngram 3
  row 'n-grams of an imported model' lm eval imported text --ngram 3
  row 'an imported run without a text' lm train --resume -o imported

  changed 'f=ckpt-*; printf x | dd of=$(echo $f) bs=1 seek=1500 conv=notrunc 2> /dev/null; rm best last'
  row 'a checkpoint that was damaged' lm train --resume -o broken
  changed 'sed -i s/cat/dog/ ../text'
  row 'another text than the run to resume had' lm train --resume -o broken
  sed -i s/dog/cat/ text
  row 'nothing to draw' lm plot nosuch

  section 'Training'
  row 'a learning rate far too high' lm train text --quiet --progress none --lr 1e38 -o diverged

  section 'Experiments'
  row 'no worker' lm sweep text --workers 0
  row 'not a list of numbers' lm sweep text --batch 1,x
  row 'no node' lm sweep text --nodes 0
  row 'a network of no rate' lm sweep text --nodes 2 --network fast
  row 'workers and nodes' lm sweep text --nodes 2 --workers 2
  row 'a loss that is none' lm race text --targets 0
  head -n 1 text > one
  row 'nothing to hold out' lm race one
  row 'a learning rate far too high' \
    lm race --workers 1 --size 300 --vocab-size 100 --hidden 4 --lr 1e38 --quiet --progress none -o lost

  section 'Models of other programs'
  row 'no such file' lm import nosuch.npz -o other
  row 'another vocabulary' lm import run.safetensors --vocab good -o other
  cut -f 1 run/vocab.txt | sed 's/<unk>/oops/' > nounk
  row 'no unknown token' lm import run.safetensors --vocab nounk -o other
  cut -f 1 run/vocab.txt | sed 's|</s>|stop|' > noend
  row 'no end token' lm import run.safetensors --vocab noend -o other
  row 'a special token that is not there' lm import run.safetensors --vocab noend --eos halt -o other
  row 'an unknown token that is the end too' lm import run.safetensors --vocab noend --unk stop --eos stop -o other
  row 'an id that is not there' lm import run.safetensors --unk 0 --bos 1 --eos 1000 -o other
  echo hello > hello.npz
  row 'not a zip archive' lm import hello.npz -o other
  head -c 300 reference.npz > cut.npz
  row 'a zip archive that is cut off' lm import cut.npz -o other
  LC_ALL=C sed 's/<f4/<i4/' reference.npz > integers.npz
  row 'damaged or other elements' lm import integers.npz -o other
  tensors '{}' > none.safetensors
  row 'no tensors' lm import none.safetensors -o other
  tensors '{"rnn.weight_hh_l0":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}' 16 > part.safetensors
  row 'a part of a model' lm import part.safetensors -o other
  tensors '{"rnn.weight_hh_l0":{"dtype":"F32","shape":[4,2],"data_offsets":[0,32]}}' 32 > odd.safetensors
  row 'a cell that is not known' lm import odd.safetensors -o other
  tensors '{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}' 4 > half.safetensors
  row 'another element type' lm import half.safetensors -o other
  tensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}' 4 > size.safetensors
  row 'a shape that does not fit' lm import size.safetensors -o other
  tensors '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}' 8 > gap.safetensors
  row 'a gap' lm import gap.safetensors -o other
  tensors '{"a":1' > json.safetensors
  row 'a header that is not JSON' lm import json.safetensors -o other

  section 'Output'
  row 'a directory that holds a run' lm train text -o run
  row 'a file in the way' lm train text -o text
  row 'a directory that cannot be made' lm train text -o /proc/run
  row 'a file that cannot be made' lm synth -o /proc/x
  row 'a file that cannot be made' lm vocab text -o /proc/x
  row 'a file that cannot be made' lm export run -o /proc/x.safetensors
  row 'a full disk' bash -c 'lm eval run text --quiet > /dev/full'
}

all > table
if [[ ${3-} == --write ]]; then
  cp table "$table"
elif diff "$table" table; then
  echo "ok $(grep -c '^| .* `' table) errors are those of lm_errors.md"
else
  echo 'not ok the errors of lm are not those of lm_errors.md (see above: < committed, > found)'
  exit 1
fi
