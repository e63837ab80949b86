#pragma once
// Linear: y = x w + bias.

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/fields.h>
#include <tapestry/nn/init.h>

namespace tapestry {

struct Linear {
  Parameter w, bias;  // (in, out), (out) or absent
  FIELDS(w, bias)

  Linear(int64_t in, int64_t out, Rng& rng, bool with_bias = true, DType dtype = f32)
      : w(uniform_fan_in({in, out}, in, rng, dtype)) {
    if (with_bias) bias = Parameter(uniform_fan_in({out}, in, rng, dtype));
  }

  /// (.., in) -> (.., out)
  Var operator()(const Var& x) const { return bias.defined() ? affine(x, w, bias) : matmul(x, w); }
};

}  // namespace tapestry
