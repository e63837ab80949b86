#include <tapestry/optim/server/server.h>

#include <omp.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include <tapestry/optim/server/communicator.h>
#include <tapestry/optim/server/funnel.h>
#include <tapestry/optim/server/local_ranks.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/threads.h>

namespace tapestry {

void require_same(std::span<const NamedParameter> model, std::span<const ParameterState> states) {
  const bool same = std::equal(model.begin(), model.end(), states.begin(), states.end(),
                               [](const NamedParameter& p, const ParameterState& state) {
                                 return p.parameter->ref().get() == state.leaf.get();
                               });
  require(same,
          "ParameterServer: the model changed since the server was made (make the server after "
          "another model was moved into it, or copy the values)");
}

namespace {

/// Throws Error unless all ranks begin the same run with the same values.
void require_same_on_all_ranks(const Master& master) {
  struct Run {
    int64_t items;
    size_t values;
  } own{master.items, 0};
  for (const ParameterState& state : master.states) {
    const Tensor& value = state.leaf->value;
    const size_t bytes = static_cast<size_t>(bytes_of(value));
    dispatch("ParameterServer", value.dtype(), [&](auto zero) {
      const std::string_view text(reinterpret_cast<const char*>(value.data<decltype(zero)>()),
                                  bytes);
      own.values = own.values * 31 + std::hash<std::string_view>()(text);
    });
  }
  const std::vector<Run> all = gather(*master.options.ranks.communicator, own);
  for (size_t r = 1; r < all.size(); ++r) {
    require(all[r].items == all[0].items, "ParameterServer: rank ", r, " has a run of ",
            all[r].items, " items, rank 0 one of ", all[0].items, " (give all ranks the same)");
    require(all[r].values == all[0].values, "ParameterServer: the model of rank ", r,
            " has other values than that of rank 0 (make them from one seed or one checkpoint)");
  }
}

}  // namespace

Server::Server(Optimizer& optimizer, const ServerOptions& options, Order& order)
    : master_(optimizer, options, order), policy_(make_policy(master_)) {
  require<ValueError>(!order.of_locks() || policy_->replayable(), "ParameterServer: a run of ",
                      name_of(options.update),
                      " cannot be recorded or replayed (its workers read and write in no order; "
                      "use async or critical)");
  require<ValueError>(!options.ranked() || (!order.of_locks() && !order.simulated()),
                      "ParameterServer: record(), replay() and simulate() are for one rank (rounds "
                      "have RankOptions::log and replay)");
  if (options.ranked()) {
    bytes_out_ = options.ranks.communicator->bytes_out();
    bytes_in_ = options.ranks.communicator->bytes_in();
  }
  for (int k = 0; k < options.workers; ++k) {
    Replica& w = *replicas_.emplace_back(std::make_unique<Replica>());
    w.index = w.locks.worker = k;
    w.locks.order = order.of_locks() ? &order : nullptr;
    w.locks.off = options.update == UpdatePolicy::hogwild;
    master_.replicas.push_back(&w);
  }
}

void Server::attach(int k, std::span<const NamedParameter> replica) {
  Replica& w = *replicas_[static_cast<size_t>(k)];
  w.access.resize(replica.size());
  w.steps.resize(replica.size());
  for (size_t i = 0; i < replica.size(); ++i) {
    const ParameterState& state = master_.states[i];
    Leaf& leaf = *replica[i].parameter->ref().get();
    RowLocks& locks = *master_.locks[i];
    const int64_t shard = locks.count() * k / master_.options.workers;
    w.access[i].locks = &locks;
    w.access[i].context = &w.locks;
    w.access[i].first = locks.begin(shard);
    leaf.held = true;
    leaf.frozen = state.leaf->frozen;
    leaf.guard = policy_->access(i) == Access::guarded ? &w.access[i] : nullptr;
    w.gradients.add(state.name, leaf);
  }
}

ServerStats Server::run(int64_t items, const Body& body) {
  master_.items = items;
  const double start = seconds_now();
  if (master_.options.ranked()) require_same_on_all_ranks(master_);
  std::optional<Funnel> funnel;
  std::optional<LocalRanks> local;
  if (master_.options.local()) {
    funnel.emplace(*master_.options.ranks.communicator);
    master_.local = &local.emplace(master_, *funnel);
  }
  const BlasThreads blas(1);
  if (funnel) {
    funnel->beside([&, kernels = kernel_threads] {
      const KernelThreads scope(kernels);
      run_threads(body);
    });
  } else {
    run_threads(body);
  }
  ServerStats stats = collect();
  if (local && !error_) {
    local->finish(*replicas_[0]);
    stats.interrupted = local->stopped();
  }
  if (master_.options.ranked() && !error_) stats.ranks = gather_ranks(stats);
  stats.seconds = seconds_now() - start;
  for (const auto& w : replicas_)
    for (size_t i = 0; i < w->gradients.size(); ++i) w->gradients.leaf(i).guard = nullptr;
  if (error_) std::rethrow_exception(error_);
  return stats;
}

std::vector<RankStats> Server::gather_ranks(const ServerStats& stats) {
  const WorkerStats all = stats.total();
  RankStats& own = master_.rank;
  Communicator& ranks = *master_.options.ranks.communicator;
  own.items = all.items, own.tokens = all.tokens, own.updates = all.updates;
  own.compute_seconds = all.compute_seconds();
  own.bytes_out = ranks.bytes_out() - bytes_out_, own.bytes_in = ranks.bytes_in() - bytes_in_;
  return gather(ranks, own);
}

void Server::run_threads(const Body& body) {
  // The OpenMP runtime is not instrumented: these two counters order what it orders, visibly.
  std::atomic<int> begun{0}, ended{0};
  begun.store(1, std::memory_order_release);
  const int n = master_.options.workers;
#pragma omp parallel num_threads(n) if (n > 1)
  {
    (void)begun.load(std::memory_order_acquire);
    // With fewer threads than asked for, workers that wait for each other would hang.
    if (const int threads = omp_get_num_threads(); threads == n) {
      const KernelThreads kernels(n > 1 ? 1 : kernel_threads);
      work(*replicas_[static_cast<size_t>(omp_get_thread_num())], body);
    } else if (omp_get_thread_num() == 0) {
      error_ = std::make_exception_ptr(Error("ParameterServer: OpenMP gave " +
                                             std::to_string(threads) + " of " + std::to_string(n) +
                                             " threads (raise OMP_THREAD_LIMIT)"));
    }
    ended.fetch_add(1, std::memory_order_acq_rel);
  }
  (void)ended.load(std::memory_order_acquire);
}

void Server::work(Replica& w, const Body& body) {
  Worker worker(*policy_, w);
  try {
    policy_->begin(w);
    while ((w.item = policy_->next_item(w)) != kNoItem) {
      body(worker, w.item);
      ++w.stats.items;
    }
  } catch (...) {
    failed(w);
  }
  policy_->finish(w);
  master_.order.finished(w.index);
}

void Server::failed(const Replica& w) {
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
  master_.fail();
}

ServerStats Server::collect() {
  ServerStats stats;
  const ServerOptions& options = master_.options;
  stats.interrupted = master_.given_up.load() || (options.stop && options.stop->load() != 0);
  int64_t clipped = 0, updates = 0;
  for (const auto& w : replicas_) {
    w->stats.lock_wait_seconds += w->locks.wait_seconds;
    stats.workers.push_back(w->stats);
    stats.staleness.resize(std::max(stats.staleness.size(), w->staleness.size()));
    for (size_t s = 0; s < w->staleness.size(); ++s) stats.staleness[s] += w->staleness[s];
    clipped += w->clipped;
    updates += w->stats.updates;
    w->gradients.clear();
  }
  stats.clipped = updates ? static_cast<double>(clipped) / static_cast<double>(updates) : 0;
  return stats;
}

}  // namespace tapestry
