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
// applied to the master's values. Row-sparse gradients push only their rows. Policies, each in a
// file of its name:
//
//   async      (default) a shard at a time under its lock. Race-free; not deterministic with
//              several workers.
//   sync       a round of items, one per worker, then ONE update: the same as one worker with the
//              items as one batch, and deterministic for a given number of workers.
//   ssp        async, but no worker is more than `staleness` items ahead of another. 0 IS sync.
//   hogwild    async without locks (Recht et al., 2011): a data race by design. Outside the
//              guarantees of C++ and of ThreadSanitizer; opt in only.
//   critical   one lock for all, around each pull and each push.
//   critical_push   the pull outside of that lock: races by design, as hogwild does.
//
// Replicas hold copies of the values, except of the parameters in `shared`: these are large ones
// that workers read where they lie, under the locks of the rows they read (async, ssp; hogwild
// without), so only embedding and the ops of the fused softmax may use them. One worker reads
// and updates the master itself and gives the bits of sequential training with the optimizer.
//
// With .ranks several processes, or threads that stand for them, train one model: each calls run()
// with the same items, of which it does a part, and has the same model afterwards. The first
// exception of a rank is its own; who owns the Communicator tells the others by abort().
//
// Nothing non-finite reaches the master: a non-finite loss or gradient stops the run and is
// reported with its worker and item. (Without sync, what of that gradient was finite may have been
// applied.) So is any exception of a worker; the other workers finish their item.

#include <tapestry/optim/server/server.h>

namespace tapestry {

template <Module Model>
class ParameterServer {
 public:
  using Body = std::function<void(Model&, Worker&, int64_t item)>;

  /// Throws ValueError for options out of range, or a pointer in options.shared to no parameter of
  /// the model; see Optimizer for the rest.
  ParameterServer(Model& model, UpdateRule rule, ServerOptions options = {},
                  const Optimizer::Groups& groups = {})
      : model_(model), options_(std::move(options)), optimizer_(model, std::move(rule), groups) {
    check(options_, parameters(model_));
  }

  /// The learning rate, the rule's state and counters, saving and loading.
  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }

  // Each throws the first exception of a worker, a NonFiniteError with worker and item added; and
  // Error when the model is another one than when the server was made.

  /// Processes items 0 ... n-1 once.
  ServerStats run(int64_t items, const Body& body) {
    Order order;
    return run(items, body, order);
  }

  /// The same, and writes down the order in which workers took locks. Throws ValueError for hogwild
  /// and critical_push, which have no such order.
  ServerStats record(int64_t items, const Body& body, LockLog& log) {
    Recorder recorder(options_.workers);
    ServerStats stats = run(items, body, recorder);
    log = recorder.log();
    return stats;
  }

  /// Repeats a recorded run to the same bits, one worker at a time. The model must be in the state
  /// in which the recorded run began. Throws ValueError when the run takes other locks than the
  /// recorded one.
  ServerStats replay(int64_t items, const Body& body, const LockLog& log) {
    Replayer replayer(options_.workers, log);
    ServerStats stats = run(items, body, replayer);
    if (!stats.interrupted) replayer.require_complete();
    return stats;
  }

  /// Runs `workers` virtual workers. An item takes the virtual time law(tokens) between pull and
  /// push (by default its number of tokens; ServerStats::delay_law() is what was measured), pushes
  /// take none and locks are free, so stats.seconds, in the law's units, is what a machine with as
  /// many equal cores would take at best: of a synchronous round, the longest item's. Nothing is
  /// random: always the same result. The loss is what that many workers reach.
  ServerStats simulate(int64_t items, const Body& body, DelayLaw law = {}) {
    Simulator simulator(options_.workers, law);
    ServerStats stats = run(items, body, simulator);
    stats.simulated = true;
    stats.seconds = simulator.now();
    stats.work = simulator.work();
    return stats;
  }

 private:
  ServerStats run(int64_t items, const Body& body, Order& order) {
    auto master = parameters(model_);
    require_same(master, optimizer_.states());
    Server server(optimizer_, options_, order);
    std::vector<Model> replicas;
    replicas.reserve(static_cast<size_t>(options_.workers));
    for (int k = 0; k < options_.workers; ++k) {
      replicas.push_back(share(model_));
      auto replica = parameters(replicas.back());
      for (size_t i = 0; i < replica.size(); ++i)
        if (server.copies(i)) replica[i].parameter->value() = master[i].parameter->value().clone();
      server.attach(k, replica);
    }
    return server.run(items, [&](Worker& w, int64_t item) {
      body(replicas[static_cast<size_t>(w.index())], w, item);
    });
  }

  Model& model_;
  ServerOptions options_;
  Optimizer optimizer_;
};

}  // namespace tapestry
