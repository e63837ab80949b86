#pragma once
// Policy: how workers share a master. Each is a file of its own; a worker calls it for every item:
// next_item, then pull and push once per update.

#include <memory>

#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/server/options.h>
#include <tapestry/optim/server/worker.h>

namespace tapestry {

class LocalRanks;

/// What the workers of a run share.
struct Master {
  Master(Optimizer& optimizer, const ServerOptions& options, Order& order);

  /// Whether workers end with the items at hand.
  bool stopping() const {
    return failed.load(std::memory_order_relaxed) || given_up.load(std::memory_order_relaxed) ||
           (options.stop && options.stop->load(std::memory_order_relaxed));
  }
  /// A worker failed: the others end with their items, in no order.
  void fail();
  /// The next free item; kNoItem after the last.
  int64_t take_item(Replica& w);
  /// What of the run is this rank's j-th item; kNoItem after the last.
  int64_t find_item(Replica& w, int64_t j);

  Optimizer& optimizer;
  const ServerOptions& options;
  Order& order;
  std::span<ParameterState> states;
  std::vector<std::unique_ptr<RowLocks>> locks;  // of each parameter
  std::vector<char> shared;                      // whether it is
  std::vector<Replica*> replicas;
  std::mutex* section = nullptr;  // a lock around every update, where the policy has one
  LocalRanks* local = nullptr;    // where other ranks train, too, and exchange changes
  RankStats rank;                 // what worker 0 saw of the others
  int64_t items = 0;
  std::atomic<bool> failed{false};
  std::atomic<bool> given_up{false};  // a round
  std::mutex counters;                // of what follows, and of the optimizer's counts
  int64_t next = 0, version = 0;
};

inline constexpr int64_t kNoItem = -1;

/// How workers read the values of a parameter.
enum class Access {
  copied,   // each has a copy, made by pull
  guarded,  // where they lie, by rows under their locks
  in_place  // where they lie, as nobody writes meanwhile
};

class Policy {
 public:
  explicit Policy(Master& shared) : master(shared) {}
  virtual ~Policy() = default;
  virtual bool replayable() const { return true; }
  virtual Access access(size_t parameter) const = 0;

  /// Before anything else of the worker.
  virtual void begin(Replica&) {}
  /// What the worker does next; kNoItem ends it.
  virtual int64_t next_item(Replica& w) = 0;
  /// Brings the worker's copies up to date.
  virtual void pull(Replica& w) = 0;
  /// Applies the worker's gradients to the master and clears them. Throws NonFiniteError.
  virtual void push(Replica& w) = 0;
  /// A worker was interrupted in an update and makes none.
  virtual void give_up() {}
  /// The worker ends, perhaps because it failed.
  virtual void finish(Replica&) {}
  void fail() { master.fail(); }

 protected:
  Master& master;
};

std::unique_ptr<Policy> make_policy(Master& master);

/// Seconds since some moment.
double seconds_now();
/// Counts an update that `overtaken` others came before since its pull.
void count_staleness(Replica& w, int64_t overtaken);
inline int64_t bytes_of(const Tensor& t) {
  return t.numel() * static_cast<int64_t>(size_of(t.dtype()));
}

}  // namespace tapestry
