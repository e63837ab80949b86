#include <tapestry/optim/server/order.h>

#include <algorithm>

#include <tapestry/tensor/error.h>

namespace tapestry {

void Order::await(int, const Condition& condition) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return abandoned_ || condition(); });
}

void Order::signal() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void Order::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_all();
}

LockLog Recorder::log() const {
  LockLog out(clock_.load());
  for (size_t k = 0; k < stamps_.size(); ++k)
    for (const uint64_t stamp : stamps_[k].values) out[stamp] = static_cast<uint16_t>(k);
  return out;
}

// ---- one at a time

Turns::Turns(int workers) : workers_(static_cast<size_t>(workers)) {}

void Turns::wait(int worker) {
  std::unique_lock lock(mutex_);
  yield(lock, worker, State::waiting);
}

void Turns::await(int worker, const Condition& condition) {
  std::unique_lock lock(mutex_);
  if (condition()) return;
  workers_[static_cast<size_t>(worker)].condition = &condition;
  yield(lock, worker, State::blocked);
}

void Turns::yield(std::unique_lock<std::mutex>& lock, int worker, State state) {
  Seat& seat = workers_[static_cast<size_t>(worker)];
  seat.state = state;
  pass_on();
  seat.turn.wait(lock, [&] { return abandoned_ || seat.state == State::running; });
  seat.state = State::running;
  require<ValueError>(!stuck_, "replay: worker ", worker,
                      " waits for a turn that the recorded schedule does not give it (is the run "
                      "the one that was recorded?)");
}

void Turns::pass_on() {
  const auto is = [](State state) {
    return [state](const Seat& seat) { return seat.state == state; };
  };
  if (abandoned_ || std::any_of(workers_.begin(), workers_.end(), is(State::starting)) ||
      std::any_of(workers_.begin(), workers_.end(), is(State::running)) ||
      std::all_of(workers_.begin(), workers_.end(), is(State::finished)))
    return;
  const auto ready = std::find_if(workers_.begin(), workers_.end(), [](const Seat& seat) {
    return seat.state == State::blocked && (*seat.condition)();
  });
  int next = static_cast<int>(ready - workers_.begin());
  if (ready == workers_.end())
    next = choose();
  else
    resumed(next);
  if (next < 0) {
    stuck_ = true;
    return wake_all();
  }
  Seat& seat = workers_[static_cast<size_t>(next)];
  seat.state = State::running;
  seat.turn.notify_one();
}

void Turns::wake_all() {
  abandoned_ = true;
  for (Seat& seat : workers_) seat.turn.notify_all();
}

void Turns::finished(int worker) {
  const std::lock_guard lock(mutex_);
  workers_[static_cast<size_t>(worker)].state = State::finished;
  pass_on();
}

void Turns::abandon() {
  const std::lock_guard lock(mutex_);
  wake_all();
}

Replayer::Replayer(int workers, const LockLog& log) : Turns(workers), log_(log) {
  require<ValueError>(
      std::all_of(log.begin(), log.end(), [&](uint16_t worker) { return worker < workers; }),
      "replay: a schedule of more than ", workers, " workers");
}

int Replayer::choose() {
  for (; next_ < log_.size() && state(log_[next_]) == State::finished; ++next_) skipped_ = true;
  if (next_ == log_.size() || state(log_[next_]) != State::waiting) return -1;
  return log_[next_++];
}

void Replayer::require_complete() const {
  require<ValueError>(!skipped_ && next_ == log_.size(),
                      "replay: the run took fewer locks than the recorded schedule has (is the run "
                      "the one that was recorded?)");
}

// A turn begins when nobody's time is earlier, so the time of the running one is the present.
int Simulator::choose() {
  int next = -1;
  for (int k = 0; k < count(); ++k)
    if (state(k) == State::waiting &&
        (next < 0 || time_[static_cast<size_t>(k)] < time_[static_cast<size_t>(next)]))
      next = k;
  if (next >= 0) now_ = std::max(now_, time_[static_cast<size_t>(next)]);
  return next;
}

void Simulator::resumed(int worker) {
  double& time = time_[static_cast<size_t>(worker)];
  time = std::max(time, now_);
}

void Simulator::computed(int worker, double tokens) {
  work_ += law_(tokens);
  time_[static_cast<size_t>(worker)] += law_(tokens);
  wait(worker);
}

void Simulator::computed_round(std::span<const double> tokens) {
  double longest = 0;
  for (const double t : tokens) work_ += law_(t), longest = std::max(longest, law_(t));
  now_ += longest;
}

}  // namespace tapestry
