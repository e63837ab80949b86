#include <tapestry/optim/turns.h>

#include <algorithm>

#include <tapestry/tensor/error.h>

namespace tapestry {

Recorder::Recorder(int workers) : hooks_(static_cast<size_t>(workers)) {
  for (Hook& hook : hooks_) hook.recorder = this;
}

LockLog Recorder::log() const {
  LockLog out(clock_.load());
  for (size_t k = 0; k < hooks_.size(); ++k)
    for (const uint64_t stamp : hooks_[k].stamps) out[stamp] = static_cast<uint16_t>(k);
  return out;
}

Replayer::Replayer(int workers, LockLog log)
    : log_(std::move(log)), hooks_(static_cast<size_t>(workers)) {
  for (size_t k = 0; k < hooks_.size(); ++k) {
    hooks_[k].replayer = this;
    hooks_[k].worker = static_cast<int>(k);
  }
}

void Replayer::wait(int worker) {
  std::unique_lock lock(mutex_);
  if (running_ == worker) running_ = -1;
  changed_.notify_all();
  changed_.wait(lock, [&] {
    return abandoned_ || (running_ == -1 && (next_ >= log_.size() || log_[next_] == worker));
  });
  if (abandoned_) return;
  if (next_ >= log_.size()) {
    abandoned_ = true;
    changed_.notify_all();
    fail<ValueError>("replay: worker ", worker,
                     " takes a lock after the end of the recorded schedule (is the run "
                     "the one that was recorded?)");
  }
  ++next_;
  running_ = worker;
}

void Replayer::finished(int worker) {
  const std::lock_guard lock(mutex_);
  if (running_ == worker) running_ = -1;
  changed_.notify_all();
}

void Replayer::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_all();
}

Simulator::Simulator(int workers, DelayLaw delay)
    : law(delay),
      time_(static_cast<size_t>(workers)),
      state_(static_cast<size_t>(workers), State::starting) {}

bool Simulator::may_run(int worker) const {
  for (size_t k = 0; k < state_.size(); ++k) {
    if (state_[k] == State::starting || state_[k] == State::running) return false;
    if (state_[k] == State::waiting &&
        (time_[k] < time_[static_cast<size_t>(worker)] ||
         (time_[k] == time_[static_cast<size_t>(worker)] && static_cast<int>(k) < worker)))
      return false;
  }
  return true;
}

void Simulator::wait(int worker, double time) {
  std::unique_lock lock(mutex_);
  time_[static_cast<size_t>(worker)] = time;
  state_[static_cast<size_t>(worker)] = State::waiting;
  changed_.notify_all();
  changed_.wait(lock, [&] { return abandoned_ || may_run(worker); });
  state_[static_cast<size_t>(worker)] = State::running;
  makespan_ = std::max(makespan_, time);
}

void Simulator::finished(int worker) {
  const std::lock_guard lock(mutex_);
  state_[static_cast<size_t>(worker)] = State::finished;
  changed_.notify_all();
}

void Simulator::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_all();
}

}  // namespace tapestry
