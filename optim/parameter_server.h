#pragma once
// ParameterServer: data-parallel training of any model by workers on OpenMP threads.
//
//   ParameterServer server(model, SGD{.lr = 0.005}, {.workers = 2, .shared = {&model.weight}});
//   ServerStats stats = server.run(n_items, [&](Model& m, Worker& w, int64_t item) {
//     w.update([&] { return m.loss(batch(item)); });
//   });
//
// Each worker has a replica of the model with gradients of its own. update() pulls the parameters,
// runs the loss and its backward pass on a Tape, and pushes the gradients: the update rule is
// applied to the master's values, a shard at a time under the shard's lock, starting at another
// shard for each worker. Row-sparse gradients push only their rows. Policies:
//
//   async      (default) no order among workers. Race-free; not deterministic with several workers.
//   sync       a round of items, one per worker, then ONE update by the weighted mean of their
//              gradients, added in worker order: the same as one worker with the items as one
//              batch, and deterministic for a given number of workers.
//   ssp        async, but no worker is more than `staleness` items ahead of another. 0 IS sync.
//   hogwild    async without locks (Recht et al., 2011): a data race by design. Outside the
//              guarantees of C++ and of ThreadSanitizer; opt in only.
//   critical   one lock for all, around each pull and each push: the classic critical section.
//   critical_push   the push under that lock, the pull outside it: races by design, as hogwild
//   does.
//
// Replicas hold copies of the values, except of the parameters in `shared`: these are large ones
// that workers read where they lie, under the locks of the rows they read (async, ssp; hogwild
// without), so only the ops embedding and linear_cross_entropy_sum may use them. One worker reads
// and updates the master itself and gives the bits of sequential training with the optimizer.
//
// Nothing non-finite reaches the master: a non-finite loss or gradient stops the run and is
// reported with its worker and item. (Without sync, what of that gradient was finite may have been
// applied.) So is any exception of a worker; the other workers finish their item.

#include <omp.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include <tapestry/autograd/check_finite.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/server_stats.h>
#include <tapestry/optim/turns.h>

namespace tapestry {

enum class UpdatePolicy { async, sync, ssp, hogwild, critical, critical_push };

struct ServerOptions {
  int workers = 1;
  UpdatePolicy update = UpdatePolicy::async;
  int64_t shards = 64;       // locks per large parameter
  int64_t staleness = 0;     // of ssp, in items
  bool interleaved = false;  // worker k takes items k, k + N, ...; else the next free one
  double clip_norm = 0;      // largest norm of a pushed gradient; 0: off
  bool damp_stale = false;   // divide the learning rate by 1 + staleness (Zhang et al., 2016)
  std::vector<const Parameter*> shared = {};
  std::function<double(int64_t updates)> lr = {};  // schedule; empty: the rule's own rate
  const std::atomic<int>* stop = nullptr;          // non-zero: finish the running items and return
};

class ServerCore;

/// What the body of a run sees of its worker.
class Worker {
 public:
  int index() const { return index_; }
  /// The norm of the last pushed gradient before clipping; 0 where nothing clips.
  double gradient_norm() const { return norm_; }
  /// Pulls, evaluates `loss` on a Tape, reverses it, pushes. Returns the value of the loss.
  /// `tokens` is the size of the item: it is counted, and is the item's duration when simulated.
  /// `weight` is the item's share in a synchronous mean (its number of sentences, say).
  template <class Loss>
  double update(Loss&& loss, double tokens = 0, double weight = 1) {
    begin_update();
    double value = 0;
    {
      Tape tape;
      const Var objective = loss();
      value = objective.value().item();
      evaluated();
      if (std::isfinite(value)) tape.backward(objective);
    }
    if (!std::isfinite(value)) {
      const CheckFinite check;  // once more, to name the op
      Tape tape;
      loss();
      fail<NonFiniteError>("the loss is ", value);
    }
    end_update(tokens, weight);
    return value;
  }

 private:
  friend class ServerCore;
  void begin_update();
  void evaluated();
  void end_update(double tokens, double weight);

  ServerCore* core_ = nullptr;
  int index_ = 0;
  double norm_ = 0;
  double began_ = 0, mark_ = 0;  // when the update and its current phase began, seconds
};

/// The part of the server that does not know the type of the model.
class ServerCore {
 public:
  ServerCore(Optimizer& optimizer, const ServerOptions& options);
  ~ServerCore();

  /// Whether workers of this run read the values of parameter i where they lie.
  bool aliases(size_t i) const;
  /// Registers worker k's replica: its parameters in the order of the optimizer's.
  void attach(int k, std::span<const NamedParameter> replica);
  /// Runs body(k, item) for all items on the workers' threads.
  using Body = std::function<void(int worker, Worker&, int64_t item)>;
  ServerStats run(int64_t items, const Body& body);

  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<Replayer> replayer;
  std::unique_ptr<Simulator> simulator;

 private:
  friend class Worker;
  struct Parameters;   // the master's side of one parameter: locks
  struct WorkerState;  // a worker's leaves, access, books

  bool deterministic() const {
    return options_.update == UpdatePolicy::sync ||
           (options_.update == UpdatePolicy::ssp && options_.staleness == 0);
  }
  bool unlocked() const { return options_.update == UpdatePolicy::hogwild; }
  void work(int k, int64_t items, const Body& body);
  int64_t next_item(WorkerState& w);
  void pull(WorkerState& w);
  void push(WorkerState& w);
  void push_parameter(WorkerState& w, size_t i, const UpdateRule& rule);
  void apply(size_t i, int64_t shard, const Tensor& gradient, const UpdateRule& rule, int64_t step);
  double norm_of(PoolVector<Grad>& gradients) const;
  template <class F>
  void in_order(WorkerState& w, F f);
  void join_round(WorkerState& w, bool has_gradient);
  void wait_for_slowest(WorkerState& w);
  void failed(const WorkerState& w);

  Optimizer& optimizer_;
  ServerOptions options_;
  std::vector<std::unique_ptr<Parameters>> parameters_;
  std::vector<std::unique_ptr<WorkerState>> workers_;
  int64_t next_ = 0, version_ = 0;  // the next free item; updates so far
  std::atomic<bool> stopping_{false};
  std::mutex critical_, counters_, clocks_, error_lock_;
  std::condition_variable clock_changed_;
  std::exception_ptr error_;
  struct Round;
  std::unique_ptr<Round> round_;
};

template <class Model>
class ParameterServer {
 public:
  using Body = std::function<void(Model&, Worker&, int64_t item)>;

  /// Throws ValueError for options out of range; see Optimizer for the rest.
  ParameterServer(Model& model, UpdateRule rule, ServerOptions options = {})
      : model_(model), options_(std::move(options)), optimizer_(model, std::move(rule)) {}

  /// The learning rate, the rule's state and counters, saving and loading.
  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }

  /// Processes items 0 ... n-1 once.
  ServerStats run(int64_t items, const Body& body) { return run(items, body, nullptr, nullptr); }

  /// The same, and writes down the order in which workers took locks. Values in `shared` included.
  ServerStats record(int64_t items, const Body& body, LockLog& log) {
    return run(items, body, &log, nullptr);
  }
  /// Repeats a recorded run to the same bits, one worker at a time. The model must be in the state
  /// in which the recorded run began.
  ServerStats replay(int64_t items, const Body& body, const LockLog& log) {
    return run(items, body, nullptr, &log);
  }

  /// Runs `workers` virtual workers on one core. An item takes the virtual time law(tokens) between
  /// pull and push (by default its number of tokens; ServerStats::delay_law() is what was
  /// measured), pushes take none and locks are free, so stats.seconds, in the law's units, is what
  /// a machine with as many equal cores would take at best. Nothing is random: always the same
  /// result. The loss is what that many asynchronous workers reach.
  ServerStats simulate(int64_t items, const Body& body, DelayLaw law = {}) {
    return run(items, body, nullptr, nullptr, &law);
  }

 private:
  ServerStats run(int64_t items, const Body& body, LockLog* log, const LockLog* replay,
                  const DelayLaw* law = nullptr) {
    ServerCore core(optimizer_, options_);
    if (law) core.simulator = std::make_unique<Simulator>(options_.workers, *law);
    if (log) core.recorder = std::make_unique<Recorder>(options_.workers);
    if (replay) core.replayer = std::make_unique<Replayer>(options_.workers, *replay);
    std::vector<Model> replicas;
    replicas.reserve(static_cast<size_t>(options_.workers));
    auto master = parameters(model_);
    for (int k = 0; k < options_.workers; ++k) {
      replicas.push_back(share(model_));
      auto replica = parameters(replicas.back());
      for (size_t i = 0; i < replica.size(); ++i)
        if (!core.aliases(i)) replica[i].parameter->value() = master[i].parameter->value().clone();
      core.attach(k, replica);
    }
    ServerStats stats = core.run(items, [&](int k, Worker& w, int64_t item) {
      body(replicas[static_cast<size_t>(k)], w, item);
    });
    if (log) *log = core.recorder->log();
    return stats;
  }

  Model& model_;
  ServerOptions options_;
  Optimizer optimizer_;
};

}  // namespace tapestry
