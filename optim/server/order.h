#pragma once
// Order: in which order the workers of a server act. It is free, or written down, dictated or
// simulated:
//
//   Recorder   logs which worker took a lock, in the order in which locks were taken
//   Replayer   makes workers take locks in a recorded order
//   Simulator  gives workers a virtual clock: each waits until its time is the earliest, so any
//              number of workers can be tried on one core, always with the same result
//
// In the last two one worker runs at a time. They decide who is next when nobody runs and everybody
// has come, so nothing depends on the threads' speed, and a run that cannot go on is found out.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

namespace tapestry {

/// The workers in the order of their lock acquisitions.
using LockLog = std::vector<uint16_t>;

/// How long the update of an item takes between its pull and its push, in seconds or tokens.
struct DelayLaw {
  double per_update = 0, per_token = 1;
  double operator()(double tokens) const { return per_update + per_token * tokens; }
};

/// The free order, and what a worker tells of itself to any.
class Order {
 public:
  using Condition = std::function<bool()>;
  virtual ~Order() = default;
  /// Whether the order of locks matters, so that it must not depend on which are free.
  virtual bool of_locks() const { return false; }
  virtual bool simulated() const { return false; }

  virtual void begin(int) {}  // before the worker does anything
  virtual void before_lock(int) {}
  virtual void after_lock(int) {}
  virtual void computed(int, double /*tokens*/) {}         // between an item's pull and its push
  virtual void computed_round(std::span<const double>) {}  // a synchronous one: tokens of each
  /// Blocks until the condition holds, which may be called from any thread, or after abandon().
  virtual void await(int worker, const Condition& condition);
  /// A condition may hold now.
  virtual void signal();
  virtual void finished(int) {}  // the worker does nothing more
  /// Lets everybody go: a worker failed.
  virtual void abandon();

 protected:
  std::mutex mutex_;
  bool abandoned_ = false;

 private:
  std::condition_variable changed_;
};

class Recorder : public Order {
 public:
  explicit Recorder(int workers) : stamps_(static_cast<size_t>(workers)) {}
  bool of_locks() const override { return true; }
  void after_lock(int worker) override {
    stamps_[static_cast<size_t>(worker)].values.push_back(
        clock_.fetch_add(1, std::memory_order_relaxed));
  }
  LockLog log() const;

 private:
  struct alignas(64) Stamps {
    std::vector<uint64_t> values;
  };
  std::atomic<uint64_t> clock_{0};
  std::vector<Stamps> stamps_;
};

/// One worker runs at a time.
class Turns : public Order {
 public:
  void await(int worker, const Condition& condition) override;
  void signal() override {}
  void finished(int worker) override;
  void abandon() override;

 protected:
  enum class State { starting, waiting, blocked, running, finished };
  explicit Turns(int workers);
  /// Ends this worker's turn and returns in its next one. Throws ValueError when there is none.
  void wait(int worker);
  State state(int worker) const { return workers_[static_cast<size_t>(worker)].state; }
  int count() const { return static_cast<int>(workers_.size()); }

 private:
  /// Which of the waiting workers is next; -1 when that is none of them. Nobody runs meanwhile.
  virtual int choose() = 0;
  /// A worker goes on whose condition has come to hold.
  virtual void resumed(int) {}
  void yield(std::unique_lock<std::mutex>& lock, int worker, State state);
  void pass_on();
  void wake_all();

  struct Seat {
    State state = State::starting;
    const Condition* condition = nullptr;
    std::condition_variable turn;
  };
  std::vector<Seat> workers_;
  bool stuck_ = false;
};

class Replayer : public Turns {
 public:
  /// Throws ValueError for a log of more workers.
  Replayer(int workers, const LockLog& log);
  bool of_locks() const override { return true; }
  void before_lock(int worker) override { wait(worker); }
  /// Throws ValueError when workers ended before the log did.
  void require_complete() const;

 private:
  int choose() override;
  const LockLog& log_;
  size_t next_ = 0;
  bool skipped_ = false;  // an entry of a worker that had ended
};

class Simulator : public Turns {
 public:
  Simulator(int workers, DelayLaw law) : Turns(workers), law_(law), time_(workers) {}
  bool simulated() const override { return true; }
  void begin(int worker) override { wait(worker); }
  void computed(int worker, double tokens) override;
  void computed_round(std::span<const double> tokens) override;
  // In the units of the law:
  double now() const { return now_; }    // after a run: when its last update was done
  double work() const { return work_; }  // what one worker would have taken

 private:
  int choose() override;
  void resumed(int worker) override;

  const DelayLaw law_;
  std::vector<double> time_;
  double now_ = 0, work_ = 0;
};

}  // namespace tapestry
