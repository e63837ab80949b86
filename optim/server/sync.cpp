#include <tapestry/optim/server/sync.h>

#include <algorithm>
#include <cmath>

#include <tapestry/optim/server/local_ranks.h>
#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/interruption.h>

namespace tapestry {

// Worker k of n adds up parameters k, k + n, ... and applies the shards k, k + n, ... of each.

Sync::Sync(Master& shared)
    : Policy(shared),
      barrier_(shared.options.workers),
      seats_(static_cast<size_t>(shared.options.workers)),
      squares_(shared.states.size()) {
  for (const ParameterState& state : master.states) {
    leaves_.emplace_back(new Leaf);
    leaves_.back()->value = state.leaf->value;
    sum_.add(state.name, *leaves_.back().get());
  }
  const ServerOptions& options = master.options;
  parts_.resize(static_cast<size_t>(options.workers));
  if (!options.ranked() || options.local()) return;
  gather_.emplace(*options.ranks.communicator, options.workers, master.states);
  parts_.resize(parts_.size() * static_cast<size_t>(options.ranks.communicator->size()));
  first_ = static_cast<size_t>(options.workers * options.ranks.communicator->rank());
}

// Every worker takes part in every round, with or without an item, until worker 0 says that there
// are no more: all must decide alike.
int64_t Sync::next_item(Replica& w) {
  Seat& s = seat(w);
  while (!s.left) {
    if (!s.joined) join(w, false);
    ++s.round;
    if (master.local) wait(w);  // nobody reads the values while ranks exchange theirs
    if (w.index == 0) decide(w);
    wait(w);
    s.left = over_;
    s.joined = s.left;
    if (s.left || w.index >= in_round_) continue;
    return master.local ? master.local->item(w, round_item_ + w.index) : round_item_ + w.index;
  }
  return kNoItem;
}

/// Whether there is another round, and which items this rank has in it.
void Sync::decide(Replica& w) {
  const int64_t workers = master.options.workers;
  over_ = true;  // also where this throws
  if (master.failed.load()) return;
  if (master.local) {
    round_item_ += in_round_;
    master.local->turn(w);
    in_round_ = master.local->available(w, round_item_, workers);
    over_ = in_round_ == 0;
    return;
  }
  const auto all = static_cast<int64_t>(parts_.size());
  const int64_t first = seat(w).round * all;
  over_ = gather_ ? gather_->any(master.stopping() || first >= master.items)
                  : master.stopping() || first >= master.items;
  round_item_ = first + static_cast<int64_t>(first_);
  in_round_ = std::clamp<int64_t>(master.items - round_item_, 0, workers);
}

void Sync::finish(Replica& w) {
  while (next_item(w) != kNoItem) {
  }
}

void Sync::push(Replica& w) {
  require<ValueError>(
      !seat(w).joined,
      "update: a synchronous item has one update (split it into items, or use async)");
  join(w, true);
}

void Sync::wait(Replica& w) {
  const double start = seconds_now();
  barrier_.arrive_and_wait();
  w.stats.barrier_seconds += seconds_now() - start;
}

// Three barriers: gradients are there, sums are there, values are there. Who fails says so before
// the next one, and arrives there like everybody.
void Sync::join(Replica& w, bool contributes) {
  seat(w).joined = true;
  part(w) = {&w.gradients, w.weight, w.tokens, contributes};
  wait(w);
  if (master.given_up.load()) {  // before the barrier, so all see it
    w.gradients.clear();
    if (contributes) throw Interrupted();
    return;
  }
  std::exception_ptr error;
  const double start = seconds_now();
  const auto attempt = [&](auto&& action) {
    if (master.failed.load()) return;
    try {
      action();
    } catch (...) {
      error = std::current_exception();
      master.failed.store(true);
    }
  };
  if (gather_) {
    if (w.index == 0) attempt([&] { gather_->gather(parts_, master.rank); });
    barrier_.arrive_and_wait();
  }
  attempt([&] { add_up(w); });
  barrier_.arrive_and_wait();
  if (error) std::rethrow_exception(error);
  if (master.failed.load()) return;
  try {  // a user's rule may throw
    apply(w);
  } catch (...) {
    error = std::current_exception();
  }
  barrier_.arrive_and_wait();
  if (error) std::rethrow_exception(error);
  w.gradients.clear();
  if (contributes) count_staleness(w, 0);
  w.stats.push_seconds += seconds_now() - start;
}

void Sync::add_up(const Replica& w) {
  double weight = 0;
  PoolVector<double> tokens;
  for (const RoundPart& p : parts_)
    if (p.contributes) weight += p.weight, tokens.push_back(p.tokens);
  const size_t n = master.replicas.size();
  for (auto i = static_cast<size_t>(w.index); i < sum_.size(); i += n)
    add_up_parameter(i, tokens.size() == 1 || gather_ ? 0 : weight);
  if (w.index != 0 || tokens.empty()) return;
  Optimizer& optimizer = master.optimizer;
  lr_ = master.options.lr ? master.options.lr(optimizer.steps()) : optimizer.lr();
  optimizer.count_steps();
  master.order.computed_round(tokens);
}

// `weight` is that of all; 0 where only one has a gradient, or they are scaled.
void Sync::add_up_parameter(size_t i, double weight) {
  Grad sum = sum_.grad(i);
  sum.clear();
  for (const RoundPart& p : parts_) {
    Grad g = p.gradients->grad(i);
    if (!p.contributes || g.empty()) continue;
    if (weight > 0 && p.weight != weight) g.scale(p.weight / weight);
    if (g.sparse()) {
      const Rows rows = g.rows();
      sum.add_rows(rows.ids, rows.values);
    } else {
      sum.add(g.dense());
    }
  }
  squares_[i] = 0;
  if (sum.empty()) return;
  ++master.states[i].updates;
  sum_.require_finite(i, sum.sparse() ? sum_.coalesce(i).values : sum.dense());
  if (master.options.clip_norm > 0) squares_[i] = sum_.squared_norm(i);
}

void Sync::apply(Replica& w) {
  double factor = 1;
  if (const double most = master.options.clip_norm; most > 0) {
    double squares = 0;
    for (const double s : squares_) squares += s;
    w.norm = std::sqrt(squares);
    if (w.norm > most) factor = most / w.norm;
    w.clipped += factor < 1 && part(w).contributes;
  }
  const auto n = static_cast<int64_t>(master.replicas.size());
  for (size_t i = 0; i < sum_.size(); ++i) {
    if (sum_.empty(i)) continue;
    ParameterState& state = master.states[i];
    const UpdateRule rule = master.optimizer.rule_at(state.group, lr_);
    if (sum_.sparse(i)) {
      if (static_cast<int64_t>(i) % n != w.index) continue;
      const Rows& rows = sum_.leaf(i).rows[0];
      state.apply(rule, Rows{rows.ids, factor < 1 ? rows.values * factor : rows.values},
                  state.updates);
      continue;
    }
    const Tensor gradient = as_rows(sum_.dense(i));
    const RowLocks& locks = *master.locks[i];
    for (int64_t shard = w.index; shard < locks.count(); shard += n) {
      const int64_t begin = locks.begin(shard), rows = locks.end(shard) - begin;
      const Tensor part = gradient.narrow(0, begin, rows);
      state.apply(rule, factor < 1 ? part * factor : part, begin, rows, state.updates);
    }
  }
}

}  // namespace tapestry
