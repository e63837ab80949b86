#include <tapestry/optim/parameter_server.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cmath>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/reduce.h>
#include <tapestry/tensor/softmax_loss.h>

namespace tapestry {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int64_t bytes_of(const Tensor& t) { return t.numel() * static_cast<int64_t>(size_of(t.dtype())); }

/// A tensor as rows: (rows, width); a scalar is one row.
Tensor as_rows(const Tensor& t) { return t.reshape({t.rank() ? t.shape()[0] : 1, -1}); }

}  // namespace

struct ServerCore::Parameters {
  RowLocks locks;
  bool shared;
  std::vector<std::atomic<int>> writers;  // hogwild: who is inside each shard
  // sync: the sum of a round, in worker order
  Tensor dense;
  Rows rows;
  Parameters(int64_t n, int64_t shards, bool is_shared)
      : locks(n, shards, is_shared ? kSoftmaxBlock : 1),
        shared(is_shared),
        writers(static_cast<size_t>(locks.count())) {}
};

struct alignas(128) ServerCore::WorkerState {
  Worker handle;
  int index = 0;
  std::vector<LeafRef> leaves;
  std::vector<RowAccess> access;
  std::vector<int64_t> steps;  // the count of each parameter's updates at this push
  LockContext locks;
  WorkerStats stats;
  std::vector<int64_t> staleness;
  int64_t version_at_pull = 0, item = 0, items_done = 0, clipped = 0;
  int64_t clock = 0;  // ssp: items begun; the largest number once there are no more
  double tokens = 0, weight = 1, time = 0;
  bool joined = false;  // sync: this item has had its update
};

struct ServerCore::Round {
  std::barrier<> barrier;
  bool last = false;  // stop after this round
  std::vector<char> has_gradient;
  explicit Round(int workers) : barrier(workers), has_gradient(static_cast<size_t>(workers)) {}
};

ServerCore::ServerCore(Optimizer& optimizer, const ServerOptions& options)
    : optimizer_(optimizer), options_(options) {
  require<ValueError>(options.workers >= 1 && options.workers <= 65535,
                      "ParameterServer: ", options.workers, " workers, expected 1 to 65535");
  require<ValueError>(options.shards >= 1, "ParameterServer: ", options.shards,
                      " shards, expected at least 1");
  require<ValueError>(options.staleness >= 0, "ParameterServer: a staleness of ", options.staleness,
                      ", expected at least 0");
  require<ValueError>(options.clip_norm >= 0 && std::isfinite(options.clip_norm),
                      "ParameterServer: clip_norm is ", options.clip_norm,
                      ", expected a finite number of at least 0");
  for (const auto& entry : optimizer.entries_) {
    const Tensor& value = entry.leaf->value;
    bool shared = false;
    for (const Parameter* p : options.shared)
      shared |= p->defined() && p->ref().get() == entry.leaf.get();
    const int64_t rows = value.rank() ? value.shape()[0] : 1;
    const int64_t shards = std::min(options.shards, std::max<int64_t>(1, bytes_of(value) / 4096));
    parameters_.push_back(std::make_unique<Parameters>(rows, shards, shared));
  }
  if (deterministic()) round_ = std::make_unique<Round>(options.workers);
  for (int k = 0; k < options.workers; ++k) {
    workers_.push_back(std::make_unique<WorkerState>());
    WorkerState& w = *workers_.back();
    w.index = k;
    w.handle.core_ = this;
    w.handle.index_ = k;
    w.locks.off = unlocked();
  }
}

ServerCore::~ServerCore() = default;

// Where nobody writes while others compute, all values can be read in place.
bool ServerCore::aliases(size_t i) const {
  const bool one_lock =
      options_.update == UpdatePolicy::critical || options_.update == UpdatePolicy::critical_push;
  return options_.workers == 1 || deterministic() || simulator ||
         (parameters_[i]->shared && !one_lock);
}

void ServerCore::attach(int k, std::span<const NamedParameter> replica) {
  WorkerState& w = *workers_[static_cast<size_t>(k)];
  if (recorder) w.locks.hook = recorder->hook(k);
  if (replayer) w.locks.hook = replayer->hook(k);
  require<Error>(replica.size() == parameters_.size(),
                 "ParameterServer: the model changed since the server was made");
  w.access.resize(replica.size());
  w.steps.resize(replica.size());
  for (size_t i = 0; i < replica.size(); ++i) {
    Leaf& leaf = *replica[i].parameter->ref().get();
    leaf.held = true;
    leaf.frozen = optimizer_.entries_[i].leaf->frozen;
    Parameters& p = *parameters_[i];
    const int64_t shard = p.locks.count() * k / options_.workers;
    w.access[i].locks = &p.locks;
    w.access[i].context = &w.locks;
    w.access[i].first = p.locks.begin(shard);
    const bool concurrent = options_.workers > 1 && !deterministic() && !simulator;
    leaf.guard = concurrent && aliases(i) ? &w.access[i] : nullptr;
    w.leaves.push_back(replica[i].parameter->ref());
  }
}

ServerStats ServerCore::run(int64_t items, const Body& body) {
  set_blas_threads(1);
  const double start = now();
  // The OpenMP runtime is not instrumented: these two counters order what it orders, visibly.
  std::atomic<int> begun{0}, ended{0};
  begun.store(1, std::memory_order_release);
  const int n = options_.workers;
#pragma omp parallel num_threads(n) if (n > 1)
  {
    (void)begun.load(std::memory_order_acquire);
    // With fewer threads than asked for, policies in which workers wait for each other would hang.
    for (int k = omp_get_thread_num(); k < n; k += omp_get_num_threads()) {
      if (omp_get_num_threads() < n && n > 1) {
        const std::lock_guard lock(error_lock_);
        if (!error_)
          error_ = std::make_exception_ptr(
              Error("ParameterServer: OpenMP gave " + std::to_string(omp_get_num_threads()) +
                    " of " + std::to_string(n) + " threads (raise OMP_THREAD_LIMIT)"));
        break;
      }
      work(k, items, body);
    }
    ended.fetch_add(1, std::memory_order_acq_rel);
  }
  (void)ended.load(std::memory_order_acquire);

  ServerStats stats;
  stats.seconds = simulator ? simulator->makespan() : now() - start;
  stats.simulated = simulator != nullptr;
  stats.interrupted = options_.stop && options_.stop->load() != 0;
  int64_t clipped = 0, updates = 0;
  for (const auto& w : workers_) {
    stats.work += w->time;
    w->stats.lock_wait_seconds += w->locks.times.wait_seconds;
    stats.workers.push_back(w->stats);
    stats.staleness.resize(std::max(stats.staleness.size(), w->staleness.size()));
    for (size_t s = 0; s < w->staleness.size(); ++s) stats.staleness[s] += w->staleness[s];
    clipped += w->clipped;
    updates += w->stats.updates;
    for (const LeafRef& leaf : w->leaves) {
      leaf->grad().clear();
      leaf->guard = nullptr;
    }
  }
  stats.clipped = updates ? static_cast<double>(clipped) / static_cast<double>(updates) : 0;
  if (error_) std::rethrow_exception(error_);
  return stats;
}

void ServerCore::work(int k, int64_t items, const Body& body) {
  WorkerState& w = *workers_[static_cast<size_t>(k)];
  const auto stop = [&] {
    return stopping_.load(std::memory_order_relaxed) ||
           (options_.stop && options_.stop->load(std::memory_order_relaxed));
  };
  if (round_) {
    // Rounds of one item each; every worker takes part in every round until all are done.
    for (int64_t first = 0; first < items; first += options_.workers) {
      w.item = first + k;
      w.joined = false;
      try {
        if (w.item < items && !stopping_.load()) {
          body(k, w.handle, w.item);
          ++w.stats.items;
        }
      } catch (...) {
        failed(w);
      }
      if (!w.joined) join_round(w, false);
      // Everybody must decide alike, so one decides: between barriers nobody else writes this flag.
      if (k == 0) round_->last = stop();
      round_->barrier.arrive_and_wait();
      if (round_->last) break;
    }
    return;
  }
  try {
    if (simulator) simulator->wait(k, 0);
    while (!stop()) {
      if (options_.update == UpdatePolicy::ssp) wait_for_slowest(w);
      w.item = next_item(w);
      if (w.item >= items) break;
      body(k, w.handle, w.item);
      ++w.stats.items;
    }
  } catch (...) {
    failed(w);
  }
  if (simulator) simulator->finished(k);
  if (replayer) replayer->finished(k);
  if (options_.update == UpdatePolicy::ssp) {
    const std::lock_guard lock(clocks_);
    w.clock = std::numeric_limits<int64_t>::max();
    clock_changed_.notify_all();
  }
}

/// f() under the lock of the counters; its place in the order of locks is recorded and replayed.
template <class F>
void ServerCore::in_order(WorkerState& w, F f) {
  if (w.locks.hook) w.locks.hook->before_lock();
  const std::lock_guard lock(counters_);
  if (w.locks.hook) w.locks.hook->after_lock();
  f();
}

int64_t ServerCore::next_item(WorkerState& w) {
  // ssp counts items, so its workers take turns
  if (options_.interleaved || options_.update == UpdatePolicy::ssp)
    return w.index + options_.workers * w.items_done++;
  int64_t item = 0;
  in_order(w, [&] { item = next_++; });
  return item;
}

void ServerCore::wait_for_slowest(WorkerState& w) {
  std::unique_lock lock(clocks_);
  ++w.clock;
  clock_changed_.notify_all();
  const double start = now();
  clock_changed_.wait(lock, [&] {
    if (stopping_.load()) return true;
    int64_t slowest = w.clock;
    for (const auto& other : workers_) slowest = std::min(slowest, other->clock);
    return w.clock - slowest <= options_.staleness;
  });
  w.stats.barrier_seconds += now() - start;
}

void ServerCore::failed(const WorkerState& w) {
  {
    const std::lock_guard lock(error_lock_);
    if (!error_) {
      try {
        throw;
      } catch (const NonFiniteError& e) {
        error_ =
            std::make_exception_ptr(NonFiniteError("worker " + std::to_string(w.index) + ", item " +
                                                   std::to_string(w.item) + ": " + e.what()));
      } catch (...) {
        error_ = std::current_exception();
      }
    }
  }
  {
    const std::lock_guard lock(clocks_);
    stopping_.store(true);
    clock_changed_.notify_all();
  }
  if (simulator) simulator->abandon();
  if (replayer) replayer->abandon();
}

// ---- one update of one worker

void Worker::begin_update() {
  ServerCore::WorkerState& w = *core_->workers_[static_cast<size_t>(index_)];
  began_ = mark_ = now();
  if (!core_->round_) core_->pull(w);
  const double t = now();
  w.stats.pull_seconds += t - mark_;
  mark_ = t;
}

void Worker::evaluated() {
  ServerCore::WorkerState& w = *core_->workers_[static_cast<size_t>(index_)];
  const double t = now();
  w.stats.forward_seconds += t - mark_;
  mark_ = t;
}

void Worker::end_update(double tokens, double weight) {
  ServerCore::WorkerState& w = *core_->workers_[static_cast<size_t>(index_)];
  require<ValueError>(weight > 0 && std::isfinite(weight), "update: weight is ", weight,
                      ", expected a positive number");
  double t = now();
  w.stats.backward_seconds += t - mark_;
  mark_ = t;
  w.tokens = tokens;
  w.weight = weight;
  if (core_->round_) {
    require<ValueError>(
        !w.joined, "update: a synchronous item has one update (split it into items, or use async)");
    core_->join_round(w, true);
  } else {
    core_->push(w);
  }
  ++w.stats.updates;
  w.stats.tokens += static_cast<int64_t>(tokens);
  w.stats.service.add(tokens, now() - began_);
}

void ServerCore::pull(WorkerState& w) {
  std::unique_lock<std::mutex> critical;
  if (options_.update == UpdatePolicy::critical) {
    timed_lock(critical_, w.locks.times);
    critical = std::unique_lock(critical_, std::adopt_lock);
  }
  const double entered = now();
  const bool lock_shards =
      options_.update == UpdatePolicy::async || options_.update == UpdatePolicy::ssp;
  in_order(w, [&] { w.version_at_pull = version_; });
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (aliases(i)) continue;
    Parameters& p = *parameters_[i];
    const Tensor from = as_rows(optimizer_.entries_[i].leaf->value);
    Tensor to = as_rows(w.leaves[i]->value);
    const int64_t n = p.locks.count(), first = n * w.index / options_.workers;
    for (int64_t s = 0; s < n; ++s) {
      const int64_t shard = (first + s) % n, begin = p.locks.begin(shard),
                    rows = p.locks.end(shard) - begin;
      const LockHold hold(lock_shards ? &w.access[i] : nullptr, begin, begin + rows);
      to.narrow(0, begin, rows).copy_(from.narrow(0, begin, rows));
    }
    w.stats.pulled_bytes += bytes_of(to);
  }
  if (critical) w.stats.lock_hold_seconds += now() - entered;
}

void ServerCore::push(WorkerState& w) {
  if (simulator) {  // the item takes its time; others push meanwhile
    w.time += simulator->law(w.tokens);
    simulator->wait(w.index, w.time);
    if (stopping_.load()) return;
  }
  const double start = now();
  std::unique_lock<std::mutex> critical;
  if (options_.update == UpdatePolicy::critical || options_.update == UpdatePolicy::critical_push) {
    timed_lock(critical_, w.locks.times);
    critical = std::unique_lock(critical_, std::adopt_lock);
  }
  const double entered = now();
  PoolVector<Grad> gradients;
  for (const LeafRef& leaf : w.leaves) gradients.push_back(leaf->grad());
  if (options_.clip_norm > 0) {
    w.handle.norm_ = norm_of(gradients);
    if (w.handle.norm_ > options_.clip_norm) {
      ++w.clipped;
      for (Grad& g : gradients)
        if (!g.empty()) g.scale(options_.clip_norm / w.handle.norm_);
    }
  }
  int64_t staleness = 0;
  UpdateRule rule = optimizer_.rule_;
  in_order(w, [&] {
    if (options_.lr) set_learning_rate(rule, options_.lr(optimizer_.steps_));
    staleness = version_++ - w.version_at_pull;
    for (size_t i = 0; i < gradients.size(); ++i)
      if (!gradients[i].empty()) w.steps[i] = ++optimizer_.entries_[i].updates;
    ++optimizer_.steps_;
  });
  if (w.staleness.size() <= static_cast<size_t>(staleness))
    w.staleness.resize(static_cast<size_t>(staleness) + 1);
  ++w.staleness[static_cast<size_t>(staleness)];

  if (options_.damp_stale)
    set_learning_rate(rule, learning_rate(rule) / (1 + static_cast<double>(staleness)));
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (!gradients[i].empty()) push_parameter(w, i, rule);
  const double left = now();
  if (critical) w.stats.lock_hold_seconds += left - entered;
  w.stats.push_seconds += left - start;
}

double ServerCore::norm_of(PoolVector<Grad>& gradients) const {
  double squares = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    Grad& g = gradients[i];
    if (g.empty()) continue;
    if (g.sparse()) {
      Rows rows = g.rows();
      g.clear();
      g.add_rows(rows.ids, rows.values);
      squares += squared_norm(rows.values);
    } else {
      squares += squared_norm(g.dense());
    }
    require<NonFiniteError>(std::isfinite(squares), "the gradient of ", optimizer_.entries_[i].name,
                            " is not finite");
  }
  return std::sqrt(squares);
}

void ServerCore::push_parameter(WorkerState& w, size_t i, const UpdateRule& rule) {
  Parameters& p = *parameters_[i];
  auto& entry = optimizer_.entries_[i];
  const int64_t step = w.steps[i];
  const int64_t n = p.locks.count(), first = n * w.index / options_.workers;
  const bool lock_shards =
      options_.update == UpdatePolicy::async || options_.update == UpdatePolicy::ssp;
  Grad grad = w.leaves[i]->grad();
  const RowAccess* access = lock_shards ? &w.access[i] : nullptr;
  const auto applied = [&](double since) {
    const double seconds = now() - since;
    w.stats.update_seconds += seconds;
    if (access) w.stats.lock_hold_seconds += seconds;
  };
  if (grad.sparse()) {
    const Rows rows = grad.rows();
    require<NonFiniteError>(all_finite(rows.values), "the gradient of ", entry.name,
                            " is not finite");
    const auto ids = rows.ids.read<int32_t>();
    // ids ascend: the rows of a shard lie together
    PoolVector<std::pair<int64_t, int64_t>> runs;
    for (int64_t begin = 0, total = rows.ids.numel(); begin < total;) {
      const int64_t shard = p.locks.lock_of(ids[static_cast<size_t>(begin)]);
      int64_t end = begin + 1;
      while (end < total && p.locks.lock_of(ids[static_cast<size_t>(end)]) == shard) ++end;
      runs.emplace_back(begin, end);
      begin = end;
    }
    const auto own = static_cast<size_t>(
        std::find_if(
            runs.begin(), runs.end(),
            [&](auto r) { return p.locks.lock_of(ids[static_cast<size_t>(r.first)]) >= first; }) -
        runs.begin());
    for (size_t r = 0; r < runs.size(); ++r) {
      const auto [begin, end] = runs[(own + r) % runs.size()];
      const int64_t row = ids[static_cast<size_t>(begin)];
      const LockHold hold(access, row, row + 1, Hold::to_write);
      const double applying = now();
      update_rows(
          rule, entry.leaf->value,
          {rows.ids.narrow(0, begin, end - begin), rows.values.narrow(0, begin, end - begin)},
          entry.slots, step);
      applied(applying);
    }
    w.stats.pushed_bytes += bytes_of(rows.values);
  } else {
    const Tensor gradient = as_rows(grad.dense());
    const auto push_shard = [&](int64_t shard, Hold purpose) {
      const int64_t begin = p.locks.begin(shard), rows = p.locks.end(shard) - begin;
      const Tensor part = gradient.narrow(0, begin, rows);
      require<NonFiniteError>(all_finite(part), "the gradient of ", entry.name, " is not finite");
      const LockHold hold(access, begin, begin + rows, purpose);
      if (!hold.acquired()) return false;
      auto& inside = p.writers[static_cast<size_t>(shard)];
      if (unlocked() && inside.fetch_add(1, std::memory_order_relaxed) > 0)
        ++w.stats.overlapping_writes;
      const double applying = now();
      apply(i, shard, part, rule, step);
      applied(applying);
      if (unlocked()) inside.fetch_sub(1, std::memory_order_relaxed);
      return true;
    };
    // Shards that somebody else is using come last, so that nobody waits who can work. A recorded
    // schedule must not depend on such luck.
    const Hold first_try = w.locks.hook ? Hold::to_write : Hold::to_write_if_free;
    PoolVector<int64_t> busy;
    for (int64_t s = 0; s < n; ++s)
      if (const int64_t shard = (first + s) % n; !push_shard(shard, first_try))
        busy.push_back(shard);
    for (const int64_t shard : busy) push_shard(shard, Hold::to_write);
    w.stats.pushed_bytes += bytes_of(gradient);
  }
  grad.clear();
}

void ServerCore::apply(size_t i, int64_t shard, const Tensor& gradient, const UpdateRule& rule,
                       int64_t step) {
  Parameters& p = *parameters_[i];
  auto& entry = optimizer_.entries_[i];
  const int64_t begin = p.locks.begin(shard), rows = p.locks.end(shard) - begin;
  Tensor value = as_rows(entry.leaf->value).narrow(0, begin, rows);
  std::array<Tensor, kMaxSlots> slots;
  for (size_t k = 0; k < entry.slots.size(); ++k)
    slots[k] = as_rows(entry.slots[k]).narrow(0, begin, rows);
  update(rule, value, gradient, std::span(slots.data(), entry.slots.size()), step);
}

// ---- a synchronous round

// Worker t of n adds up and applies shards t, t + n, ...; sums run in worker order, so the result
// depends on n alone.
void ServerCore::join_round(WorkerState& w, bool has_gradient) {
  w.joined = true;
  Round& round = *round_;
  const double start = now();
  round.has_gradient[static_cast<size_t>(w.index)] = has_gradient && !stopping_.load();
  round.barrier.arrive_and_wait();
  w.stats.barrier_seconds += now() - start;
  if (stopping_.load()) return round.barrier.arrive_and_wait();
  const double push_start = now();
  double weight = 0;
  int contributors = 0;
  for (size_t k = 0; k < workers_.size(); ++k)
    if (round.has_gradient[k]) weight += workers_[k]->weight, ++contributors;

  const size_t n = workers_.size();
  const auto share_of = [&](size_t k) {
    return contributors == 1 ? 1 : workers_[k]->weight / weight;
  };
  try {
    for (size_t i = static_cast<size_t>(w.index); i < parameters_.size(); i += n) {
      Parameters& p = *parameters_[i];
      p.dense = Tensor();
      p.rows = {};
      RowList rows;
      const Tensor& value = optimizer_.entries_[i].leaf->value;
      Grad sum(&p.dense, &rows, value.shape(), value.dtype());
      for (size_t k = 0; k < n; ++k) {
        Grad g = workers_[k]->leaves[i]->grad();
        if (!round.has_gradient[k] || g.empty()) continue;
        const double factor = share_of(k);
        if (factor != 1) g.scale(factor);
        if (g.sparse()) {
          const Rows part = g.rows();
          sum.add_rows(part.ids, part.values);
        } else {
          sum.add(g.dense());
        }
      }
      if (sum.empty()) continue;
      if (sum.sparse()) {
        p.rows = sum.rows();
        require<NonFiniteError>(all_finite(p.rows.values), "the gradient of ",
                                optimizer_.entries_[i].name, " is not finite");
      } else {
        sum.dense();
        require<NonFiniteError>(all_finite(p.dense), "the gradient of ",
                                optimizer_.entries_[i].name, " is not finite");
      }
    }
  } catch (...) {
    failed(w);
  }
  round.barrier.arrive_and_wait();
  if (stopping_.load()) return;

  double factor = 1;
  if (options_.clip_norm > 0) {
    double squares = 0;
    for (const auto& p : parameters_)
      squares += p->dense.defined()      ? squared_norm(p->dense)
                 : p->rows.ids.defined() ? squared_norm(p->rows.values)
                                         : 0;
    w.handle.norm_ = std::sqrt(squares);
    if (w.handle.norm_ > options_.clip_norm) factor = options_.clip_norm / w.handle.norm_;
    if (factor < 1 && has_gradient) ++w.clipped;
  }
  UpdateRule rule = optimizer_.rule_;
  if (options_.lr) set_learning_rate(rule, options_.lr(optimizer_.steps_));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Parameters& p = *parameters_[i];
    auto& entry = optimizer_.entries_[i];
    const int64_t step = entry.updates + 1;
    if (p.dense.defined()) {
      const Tensor gradient = as_rows(p.dense);
      for (int64_t shard = w.index; shard < p.locks.count(); shard += static_cast<int64_t>(n)) {
        const int64_t begin = p.locks.begin(shard), rows = p.locks.end(shard) - begin;
        const Tensor part = gradient.narrow(0, begin, rows);
        apply(i, shard, factor < 1 ? part * factor : part, rule, step);
      }
    } else if (p.rows.ids.defined() && static_cast<int>(i % n) == w.index) {
      update_rows(rule, entry.leaf->value,
                  {p.rows.ids, factor < 1 ? p.rows.values * factor : p.rows.values}, entry.slots,
                  step);
    }
  }
  round.barrier.arrive_and_wait();
  if (w.index == 0) {
    for (size_t i = 0; i < parameters_.size(); ++i)
      if (parameters_[i]->dense.defined() || parameters_[i]->rows.ids.defined())
        ++optimizer_.entries_[i].updates;
    if (contributors) ++optimizer_.steps_;
  }
  for (const LeafRef& leaf : w.leaves) leaf->grad().clear();
  if (has_gradient) {
    if (w.staleness.empty()) w.staleness.resize(1);
    ++w.staleness[0];
  }
  w.stats.push_seconds += now() - push_start;
}

}  // namespace tapestry
