#!/bin/bash
# cluster.sh LM [REPEATS [ROW...]]: what ranks cost. Ratios of tokens/s, the two sides in turns, medians.
# As root also over links of limited speed between network namespaces, which stand for two machines;
# else these rows are skipped. ROW: only those whose name begins so. A run takes half a minute.
set -u
lm=$(realpath "$1")
repeats=${2:-3}
rows=("${@:3}")
export LC_ALL=C OMP_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_vader_single_copy_mechanism=none
work=$(mktemp -d)
cd "$work" || exit 1
trap 'unlink_hosts; rm -rf "$work"' EXIT

reference=(--preset reference --corpus zipf --size 25000 --batch 10 --epochs 1 --valid-split 0)
sampled=(--softmax sampled --size 200000)
lstm=(--corpus zipf --size 10000 --cell lstm --layers 2 --hidden 200 --embed 200 --bptt-mode full --batch 10
      --epochs 1 --valid-split 0 --optimizer adam --clip-norm 5)

wanted() {  # NAME: whether this row was asked for
  (( ${#rows[@]} == 0 )) && return
  local row
  for row in "${rows[@]}"; do [[ $1 == "$row"* ]] && return; done
  return 1
}
run() {  # COMMAND...: trains; its tokens/s
  "$@" --progress none --quiet --overwrite -o run > out 2> err || { cat err >&2; return 1; }
  tokens_per_second
}
tokens_per_second() { awk -F'[:,]' '/"tokens_per_second"/ { print $2 + 0; exit }' run/results.json; }
median() { sort -n | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }
row() { printf '%-64s %.3f  (%s)\n' "$@"; }
ratio() {  # NAME -- COMMAND... -- BASE...: tokens/s of one over the other's
  wanted "$1" || return 0
  local name=$1 command=() base=() k a b
  shift 2
  while [[ $1 != -- ]]; do command+=("$1"); shift; done
  shift
  base=("$@")
  for (( k = 0; k < repeats; ++k )); do
    a=$(run "${command[@]}") && b=$(run "${base[@]}") || return
    awk -v a="$a" -v b="$b" 'BEGIN { print a / b }'
  done > ratios
  row "$name" "$(median < ratios)" "$(tr '\n' ' ' < ratios)"
}

two=(mpirun -n 2 "$lm" train --exchange-every)
one=("$lm" train --workers 2)
ratio 'reference, 2 ranks over 2 workers, shared memory' -- "${two[@]}" 20000 "${reference[@]}" -- "${one[@]}" "${reference[@]}"
ratio 'LSTM 2 x 200, 2 ranks over 2 workers, shared memory' -- "${two[@]}" 20000 "${lstm[@]}" -- "${one[@]}" "${lstm[@]}"

# ---- ranks that are slow, or have nothing to do

slow_down() {  # PID: lets it run a quarter of the time, until it ends
  local pause
  mkfifo pause 2> /dev/null
  exec {pause}<> pause
  while kill -STOP "$1" 2> /dev/null; do
    read -rt 0.03 -u $pause
    kill -CONT "$1" 2> /dev/null
    read -rt 0.01 -u $pause
  done
}
child() { local k; for (( k = 0; k < 100; ++k )); do pgrep -P "$1" -x lm | sed -n "$2p" | grep . && return; sleep 0.05; done; }
slowed() {  # LM-PROCESS COMMAND...: tokens/s with the so manyth process slowed; 0: this one
  local job pid
  "${@:2}" --progress none --quiet --overwrite -o run > out 2> err & job=$!
  pid=$job
  (( $1 == 0 )) || pid=$(child $job "$1")
  slow_down "$pid" 2> /dev/null & local brake=$!
  wait $job
  kill $brake 2> /dev/null
  tokens_per_second
}
if wanted 'one of two ranks'; then
  for (( k = 0; k < repeats; ++k )); do
    both=$(slowed 2 "${two[@]}" 20000 "${reference[@]}")
    fast=$(run "$lm" train "${reference[@]}" --size 12000)
    slow=$(slowed 0 "$lm" train "${reference[@]}" --size 4000)
    awk -v both="$both" -v fast="$fast" -v slow="$slow" 'BEGIN { print both / (fast + slow) }'
  done > ratios
  row 'one of two ranks slowed to a quarter, over both alone' "$(median < ratios)" "$(tr '\n' ' ' < ratios)"
fi
if wanted 'an idle rank'; then
  "${two[@]}" 20000 "${reference[@]}" --between sync --progress none --quiet --overwrite -o run > out 2> err & job=$!
  busy=$(child $job 1) idle=$(child $job 2)
  sleep 4
  ticks() { awk '{ print $14 + $15 }' "/proc/$idle/stat"; }
  kill -STOP "$busy"; sleep 1
  before=$(ticks); sleep 10; after=$(ticks)
  kill -CONT "$busy"; kill -TERM $job; wait $job 2> /dev/null
  row 'an idle rank: share of a core' "$(awk -v t=$(( after - before )) -v hz="$(getconf CLK_TCK)" 'BEGIN { print t / hz / 10 }')" 10\ s
fi

# ---- links

link() {  # RATE: two namespaces, a cable of that rate between them
  ip netns add tapestry_a && ip netns add tapestry_b &&
    ip link add tap_a type veth peer name tap_b &&
    ip link set tap_a netns tapestry_a && ip link set tap_b netns tapestry_b || return 1
  local side=1 name
  for name in a b; do
    ip -n tapestry_$name addr add 10.77.0.$side/24 dev tap_$name && ip -n tapestry_$name link set tap_$name up &&
      ip -n tapestry_$name link set lo up &&
      ip netns exec tapestry_$name tc qdisc add dev tap_$name root tbf rate "$1" burst 128kb latency 50ms || return 1
    (( ++side ))
  done
  printf '10.77.0.1 slots=1\n10.77.0.2 slots=1\n' > hosts
  # What mpirun takes for ssh: drops options, and runs the command in the namespace of the address.
  cat > agent << 'AGENT'
#!/bin/bash
while [[ $1 == -* ]]; do shift; done
name=tapestry_b; [[ $1 == 10.77.0.1 ]] && name=tapestry_a
shift
exec ip netns exec $name bash -c "$*"
AGENT
  chmod +x agent
}
unlink_hosts() { ip netns del tapestry_a; ip netns del tapestry_b; sleep 1; } 2> /dev/null
over=(ip netns exec tapestry_a mpirun --hostfile hosts --mca plm_rsh_agent "$work/agent" --mca btl tcp,self
      --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 -n 2 --map-by node
      "$lm" train --exchange-every)
predicted() {  # NETWORK EVERY: time per round of two ranks that wait for each other, over what --dry-run says
  wanted "predicted, $1" || return 0
  local planned measured
  for (( k = 0; k < repeats; ++k )); do
    # As two do at a time: they share this machine's memory.
    plan() { "$lm" train "${reference[@]}" --dry-run --nodes 2 --network "$1" --exchange-every "$2" 2> /dev/null; }
    plan "$1" "$2" > plan2 &
    planned=$(plan "$1" "$2" | sed -n 's/^local, every.* \([0-9]*\) tokens\/s.*/\1/p')
    wait $!
    measured=$(run "${over[@]}" "$2" "${reference[@]}" --exchange-by items --size "$3") || return
    awk -v a="$planned" -v b="$measured" 'BEGIN { print a / b }'
  done > ratios
  row "predicted, $1 every $2 tokens: measured time over it" "$(median < ratios)" "$(tr '\n' ' ' < ratios)"
}
if (( EUID == 0 )) && link 1gbit 2> err; then
  ratio 'reference, 1 Gbit/s' -- "${over[@]}" 20000 "${reference[@]}" -- "${one[@]}" "${reference[@]}"
  ratio 'LSTM 2 x 200, 1 Gbit/s' -- "${over[@]}" 20000 "${lstm[@]}" -- "${one[@]}" "${lstm[@]}"
  predicted 1g 20000 25000
  unlink_hosts
  link 100mbit
  ratio 'reference, sampled softmax, 100 Mbit/s' -- "${over[@]}" 40000 "${reference[@]}" "${sampled[@]}" -- "${one[@]}" "${reference[@]}" "${sampled[@]}"
  ratio 'reference, full softmax, 100 Mbit/s, every 60000 tokens' -- "${over[@]}" 60000 "${reference[@]}" -- "${one[@]}" "${reference[@]}"
  predicted 100m 20000 25000
  predicted 100m 4000 16000
else
  echo "links of limited speed: skipped ($( (( EUID )) && echo 'not root' || tail -n 1 err))"
fi
