#!/bin/bash
# cluster.sh LM [REPEATS]: what ranks cost. Ratios of tokens/s, the two sides in turns, medians. As
# root also over links of limited speed between network namespaces, which stand for two machines;
# else these rows are skipped.
set -u
lm=$(realpath "$1")
repeats=${2:-3}
export LC_ALL=C OMP_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_vader_single_copy_mechanism=none
work=$(mktemp -d)
cd "$work" || exit 1
trap 'ip netns del tapestry_a 2> /dev/null; ip netns del tapestry_b 2> /dev/null; rm -rf "$work"' EXIT

reference=(--preset reference --corpus zipf --size 6000 --batch 10 --epochs 1 --valid-split 0)
lstm=(--corpus zipf --size 3000 --cell lstm --layers 2 --hidden 200 --embed 200 --bptt-mode full --batch 10
      --epochs 1 --valid-split 0 --optimizer adam --clip-norm 5)

run() {  # COMMAND...: trains; its tokens/s
  "$@" --progress none --quiet --overwrite -o run > out 2> err || { cat err >&2; return 1; }
  awk -F'[:,]' '/"tokens_per_second"/ { print $2 + 0; exit }' run/results.json
}
median() { sort -n | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }
ratio() {  # NAME -- COMMAND... -- BASE...: tokens/s of one over the other's
  local name=$1 command=() base=() k
  shift 2
  while [[ $1 != -- ]]; do command+=("$1"); shift; done
  shift
  base=("$@")
  for (( k = 0; k < repeats; ++k )); do
    local a b
    a=$(run "${command[@]}") && b=$(run "${base[@]}") || return
    awk -v a="$a" -v b="$b" 'BEGIN { print a / b }'
  done | median | xargs printf '%-64s %.3f\n' "$name"
}

two=(mpirun -n 2 "$lm" train --exchange-every)
one=("$lm" train --workers 2)
ratio 'reference, 2 ranks over 2 workers, shared memory' -- "${two[@]}" 20000 "${reference[@]}" -- "${one[@]}" "${reference[@]}"
ratio 'LSTM 2 x 200, 2 ranks over 2 workers, shared memory' -- "${two[@]}" 20000 "${lstm[@]}" -- "${one[@]}" "${lstm[@]}"

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
unlink_hosts() { ip netns del tapestry_a; ip netns del tapestry_b; sleep 1; }
over=(ip netns exec tapestry_a mpirun --hostfile hosts --mca plm_rsh_agent "$work/agent" --mca btl tcp,self
      --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 -n 2 --map-by node
      "$lm" train --exchange-every)
if (( EUID == 0 )) && link 1gbit 2> err; then
  ratio 'reference, 1 Gbit/s' -- "${over[@]}" 20000 "${reference[@]}" -- "${one[@]}" "${reference[@]}"
  ratio 'LSTM 2 x 200, 1 Gbit/s' -- "${over[@]}" 20000 "${lstm[@]}" -- "${one[@]}" "${lstm[@]}"
  unlink_hosts
  link 100mbit
  ratio 'reference, sampled softmax, 100 Mbit/s' -- "${over[@]}" 40000 "${reference[@]}" --softmax sampled -- "${one[@]}" "${reference[@]}" --softmax sampled
  ratio 'reference, full softmax, 100 Mbit/s, every 60000 tokens' -- "${over[@]}" 60000 "${reference[@]}" -- "${one[@]}" "${reference[@]}"
else
  echo "links of limited speed: skipped ($( (( EUID )) && echo 'not root' || tail -n 1 err))"
fi
