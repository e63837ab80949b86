#pragma once
// Server: one run of the workers' threads; what of the ParameterServer does not know the model.

#include <exception>

#include <tapestry/optim/server/policy.h>

namespace tapestry {

/// Throws Error unless these are the parameters whose states are given.
void require_same(std::span<const NamedParameter> model, std::span<const ParameterState> states);

class Server {
 public:
  /// Throws ValueError when the order of this policy's locks cannot be recorded or replayed.
  Server(Optimizer& optimizer, const ServerOptions& options, Order& order);

  /// Whether replicas have values of their own of parameter i, or the master's.
  bool copies(size_t i) const { return policy_->access(i) == Access::copied; }
  /// Worker k works on this replica: its parameters in the order of the optimizer's.
  void attach(int k, std::span<const NamedParameter> replica);
  /// Runs body(worker, item) for items 0 ... n-1, then releases the replicas. Rethrows the first
  /// exception of a worker.
  using Body = std::function<void(Worker&, int64_t item)>;
  ServerStats run(int64_t items, const Body& body);

 private:
  void run_threads(const Body& body);
  void work(Replica& w, const Body& body);
  void failed(const Replica& w);
  ServerStats collect();
  std::vector<RankStats> gather_ranks(const ServerStats& stats);

  Master master_;
  std::unique_ptr<Policy> policy_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::mutex error_lock_;
  std::exception_ptr error_;
  int64_t bytes_out_ = 0, bytes_in_ = 0;  // of earlier runs
};

}  // namespace tapestry
