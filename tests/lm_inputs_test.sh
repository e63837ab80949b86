#!/bin/bash
# What lm makes of unusual text: each input is trained on, evaluated, counted and scored.
#   lm_inputs_test.sh PROGRAM
# A case is
#   input EXIT_CODE 'regex that the first line of stderr must match' 'bytes, for printf' [OPTION]...
# lm train, lm eval and lm vocab end with the code and say the same; lm score ends with 0 and writes
# one line for each line of the file.
set -u
PATH=$(dirname "$(realpath "$1")"):$PATH
export LC_ALL=C NO_COLOR=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0 number=0

complain() { echo "not ok $number: $*"; sed 's/^/    /' err | cut -c -200 | head -n 3; failed=1; }

run() {  # EXIT_CODE REGEX lm ARGUMENT...
  local want=$1 regex=$2 code=0 first=
  shift 2
  "$@" > out 2> err < /dev/null || code=$?
  read -r first < err || true
  (( code == want )) || complain "$* of $bytes: exit code $code, expected $want"
  if (( want )) && ! [[ $first =~ $regex ]]; then complain "$*: '$first' is not /$regex/"; fi
  if grep -qi internal err; then complain "$*: an internal error"; fi
}

input() {
  local code=$1 regex=$2 lines
  bytes=$3
  shift 3
  number=$(( number + 1 ))
  printf "$bytes" > text
  run "$code" "$regex" lm train text -o new --overwrite --epochs 1 --hidden 4 --quiet "$@"
  run "$code" "$regex" lm vocab text "$@"
  (( $# )) && return
  run "$code" "$regex" lm eval known text --quiet
  run 0 '' lm score known text
  lines=$(sed '1s/^\xEF\xBB\xBF//' text | awk 'END { print NR }')
  (( $(wc -l < out) == lines )) || [[ $bytes == *'\r'* ]] ||
    complain "lm score: $(wc -l < out) lines for $lines of $bytes"
}

repeat() { printf "%0.s$1" $(seq "$2"); }  # TEXT N

for i in {1..40}; do echo "the cat $((i % 7)) sat ."; done > sentences
lm train sentences -o known --epochs 1 --hidden 4 --quiet > /dev/null 2> err || complain 'lm train'

input 65 'no sentence found: the file is empty' ''
input 65 'no sentence found: the file is empty' '\xEF\xBB\xBF'
input 65 'only blank lines' '\n'
input 65 'only blank lines' ' \t \n\n\f\v\n'
input 65 'only blank lines' '\r\n\r\n'
input 65 'only blank lines' '\xE2\x80\x83\xE3\x80\x80'
input 65 'only blank lines and headings' '= a heading =\n' --split-sentences
input 0 '' 'word'
input 0 '' '\xEF\xBB\xBFword and word\n'
input 0 '' 'a\xEF\xBB\xBFb \xEF\xBB\xBF\n'
input 0 '' 'the cat\r\nsat\r\n'
input 0 '' 'the cat\rsat\r'
input 0 '' 'the\r\ncat\rsat\n'
input 0 '' '\n\n\nthe\n\n\n'
input 0 '' '\xC2\xA0\n'
input 0 '' 'a\xE2\x80\xA8b\xC2\x85c\n'
input 0 '' '\xCC\x81 \xCC\x81\xCC\x81\n'
input 0 '' '\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80 \xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\n' --tokenizer word
input 0 '' '\xE2\x80\xAE\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D\xE2\x80\xAC\n'
input 0 '' '\x01 \x7F \x1B[31m\n'
input 0 '' '\xEF\xBF\xBF \xF4\x8F\xBF\xBF\n'
input 0 '' '<unk> <unk>\n<unk>\n'
input 65 "text:1:3: error: the text contains '<s>'" 'a <s> b\n'
input 65 "text:2:1: error: the text contains '</s>'" 'a\n</s>\n'
input 65 'text:1:2: error: NUL byte' 'a\0b\n'
input 65 'text:1:1: error: NUL byte' '\0\0\0\0'
input 65 'text:2:2: error: invalid UTF-8 byte 0xE9' 'ok\nt\xE9t\n'
input 65 'text:1:3: error: invalid UTF-8 byte 0xE2' 'ab\xE2\x82'
input 65 'text:1:1: error: invalid UTF-8 byte 0xC0' '\xC0\x80\n'
input 65 'text:1:1: error: invalid UTF-8 byte 0xED' '\xED\xA0\x80\n'
input 65 'text:1:2: error: invalid UTF-8 byte 0x8B' '\x1F\x8B\x08'
input 65 'text:1:1: error: the text is UTF-16 .*iconv -f UTF-16 -t UTF-8' '\xFF\xFEa\0\n\0'
input 65 'text:1:1: error: the text is UTF-16 .*iconv' '\xFE\xFF\0a\0\n'
input 65 'text:1:1: error: the text is UTF-16LE .*iconv' 't\0h\0e\0\n\0'
input 65 'text:1:1: error: the text is UTF-32 .*iconv' '\xFF\xFE\0\0a\0\0\0'
input 0 '' "$(repeat 'the cat ' 11000)\n"
input 0 '' "$(repeat x 100000) $(repeat y 100000)\n"
input 0 '' "$(repeat '\\n' 20000)the end"
input 65 "text:1:80003: error: the text contains '<s>'" "$(repeat 'dogs ' 16000)a <s>\n"
input 0 '' '"a, b",1\n"c""d\n' --format tsv --quote none
input 65 'text:2:1: error: the quoted field that opens here is not closed' 'a\n"b\n' --format csv
input 65 'text:1:1: error: no column 3' 'a,b\n' --format csv --column 3

(( failed )) || echo "ok $number inputs"
exit $failed
