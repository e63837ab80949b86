#include <tapestry/autograd/check_finite.h>

#include <cmath>
#include <sstream>

#include <tapestry/tensor/reduce.h>

namespace tapestry {
namespace {

/// Where the first non-finite element is and what it is: "nan at element 17 of (3, 4)".
std::string describe(const Tensor& t) {
  std::ostringstream text;
  dispatch("check_finite", t.dtype(), [&](auto zero) {
    const auto values = t.to_vector<decltype(zero)>();
    for (size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i])) {
        text << (std::isnan(values[i]) ? "nan"
                 : values[i] > 0       ? "inf"
                                       : "-inf")
             << " at element " << i << " of " << t.shape();
        return;
      }
  });
  return text.str();
}

}  // namespace

void CheckFinite::forward(const char* name, const Tensor& value, size_t) {
  ++ops_;
  if (value.dtype() == i32 || all_finite(value)) return;
  fail<NonFiniteError>(name, " (op ", ops_, " of this check): its value has ", describe(value));
}

void CheckFinite::gradient(const char* name, size_t node, const Tensor& d) {
  if (all_finite(d)) return;
  fail<NonFiniteError>("backward of ", name, " (#", node, "): the gradient it passes on has ",
                       describe(d));
}

}  // namespace tapestry
