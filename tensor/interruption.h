#pragma once
// Interruption: while one is alive, kernels of this thread that take long call its check() between
// their chunks. It may throw Interrupted to give the work up.

#include <utility>

namespace tapestry {

/// Thrown where work is given up; no error.
struct Interrupted {};

class Interruption {
 public:
  Interruption() : outer_(std::exchange(innermost, this)) {}
  virtual ~Interruption() { innermost = outer_; }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  virtual void check() = 0;

  /// For kernels, outside of parallel regions.
  static void point() {
    if (innermost) innermost->check();
  }

 private:
  static inline constinit thread_local Interruption* innermost = nullptr;
  Interruption* outer_;
};

}  // namespace tapestry
