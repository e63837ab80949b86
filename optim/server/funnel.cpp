#include <tapestry/optim/server/funnel.h>

#include <chrono>

namespace tapestry {

void Funnel::start(std::vector<Bytes>& out, std::vector<Bytes>& in) {
  const std::lock_guard lock(lock_);
  out_ = &out, in_ = &in;
  stage_ = Stage::asked, called_ = false, moves_ = 0;
  if (owns())
    move();
  else
    changed_.notify_one();
}

bool Funnel::done() {
  const std::lock_guard lock(lock_);
  if (owns()) move();
  if (error_) std::rethrow_exception(error_);
  return stage_ == Stage::idle;
}

bool Funnel::called() {
  const std::lock_guard lock(lock_);
  if (owns()) move();
  if (error_) std::rethrow_exception(error_);
  return called_;
}

void Funnel::move() {
  if (error_) return;
  try {
    if (stage_ == Stage::asked) {
      ranks_.start(*out_, *in_);
      stage_ = Stage::moving;
    }
    if (stage_ == Stage::moving) {
      if (ranks_.done()) stage_ = Stage::idle;
      ++moves_;
    } else {
      called_ = ranks_.called();
    }
  } catch (...) {
    error_ = std::current_exception();
  }
}

void Funnel::beside(const std::function<void()>& f) {
  using std::chrono::microseconds;
  std::unique_lock lock(lock_);
  ended_ = false;
  std::thread other([&] {
    f();
    const std::lock_guard end(lock_);
    ended_ = true;
    changed_.notify_one();
  });
  while (!ended_) {
    move();
    // Often while there is much to move; after half a second the others are not there yet.
    const bool busy = stage_ == Stage::moving && moves_ < 1000;
    changed_.wait_for(lock, microseconds(busy ? 500 : 2000));
  }
  lock.unlock();
  other.join();
}

}  // namespace tapestry
