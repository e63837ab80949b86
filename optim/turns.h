#pragma once
// Turns: the order in which the workers of a server act, written down, dictated or simulated.
//
//   Recorder   logs which worker took a lock, in the order in which locks were taken
//   Replayer   makes workers take locks in a recorded order, one worker running at a time
//   Simulator  gives workers a virtual clock: each waits until its time is the earliest, so any
//              number of workers can be tried on one core, always with the same result
//
// Each keeps one worker running at a time (but the Recorder, which only watches).

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include <tapestry/optim/row_locks.h>

namespace tapestry {

/// The workers in the order of their lock acquisitions.
using LockLog = std::vector<uint16_t>;

class Recorder {
 public:
  explicit Recorder(int workers);
  LockHook* hook(int worker) { return &hooks_[static_cast<size_t>(worker)]; }
  LockLog log() const;

 private:
  struct Hook : LockHook {
    Recorder* recorder = nullptr;
    std::vector<uint64_t> stamps;
    void before_lock() override {}
    void after_lock() override {
      stamps.push_back(recorder->clock_.fetch_add(1, std::memory_order_relaxed));
    }
  };
  std::atomic<uint64_t> clock_{0};
  std::vector<Hook> hooks_;
};

class Replayer {
 public:
  Replayer(int workers, LockLog log);
  LockHook* hook(int worker) { return &hooks_[static_cast<size_t>(worker)]; }
  void finished(int worker);  // it will take no more locks
  void abandon();             // lets everybody go: a worker failed

 private:
  struct Hook : LockHook {
    Replayer* replayer = nullptr;
    int worker = 0;
    void before_lock() override { replayer->wait(worker); }
    void after_lock() override {}
  };
  void wait(int worker);

  std::mutex mutex_;
  std::condition_variable changed_;
  LockLog log_;
  size_t next_ = 0;
  int running_ = -1;
  bool abandoned_ = false;
  std::vector<Hook> hooks_;
};

/// How long the update of an item takes between its pull and its push, in seconds or tokens.
struct DelayLaw {
  double per_update = 0, per_token = 1;
  double operator()(double tokens) const { return per_update + per_token * tokens; }
};

class Simulator {
 public:
  Simulator(int workers, DelayLaw law);
  const DelayLaw law;
  /// Returns when `time` is the earliest of all workers' times; only then may the worker act.
  void wait(int worker, double time);
  void finished(int worker);
  void abandon();
  /// When the last worker had finished, in the units of wait().
  double makespan() const { return makespan_; }

 private:
  enum class State { starting, waiting, running, finished };
  bool may_run(int worker) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<double> time_;
  std::vector<State> state_;
  double makespan_ = 0;
  bool abandoned_ = false;
};

}  // namespace tapestry
