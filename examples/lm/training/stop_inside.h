#pragma once
// Limits and signals inside a batch of any length.

#include <functional>

#include <tapestry/autograd/observer.h>
#include <tapestry/tensor/interruption.h>

namespace tapestry::lm {

/// While one is alive, what this thread computes ends with Interrupted as soon as `stop` says so:
/// it is asked between ops, forward and backward, and inside long ones.
class StopInside : public Observer, public Interruption {
 public:
  explicit StopInside(std::function<bool()> stop) : stop_(std::move(stop)) {}

  void check() override {
    if (stop_()) throw Interrupted();
  }
  void forward(const char*, const Tensor&, size_t) override { check(); }
  void backward_begin(const char*, size_t, const Tensor&) override { check(); }
  void backward_end(const char*, size_t) override {}

 private:
  std::function<bool()> stop_;
};

}  // namespace tapestry::lm
