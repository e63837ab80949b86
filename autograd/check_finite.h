#pragma once
// CheckFinite: while one is alive, the first op of this thread whose value or gradient holds a NaN
// or an infinity throws NonFiniteError, naming the op. Costs one pass over every value.

#include <tapestry/autograd/tape.h>

namespace tapestry {

class CheckFinite : public Observer {
 public:
  void forward(const char* name, const Tensor& value, size_t saved) override;
  void backward_begin(const char*, size_t, const Tensor&) override {}
  void backward_end(const char*, size_t) override {}
  void gradient(const char* name, size_t node, const Tensor& d) override;

 private:
  int64_t ops_ = 0;
};

}  // namespace tapestry
