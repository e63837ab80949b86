#pragma once
// RMSProp (Tieleman & Hinton, 2012). Slot: the decaying mean of g^2. eps is outside the root.
//   v = alpha v + (1 - alpha) g^2;  w -= lr g / (sqrt(v) + eps)

#include <cmath>
#include <cstdint>
#include <span>

#include <tapestry/tensor/error.h>

namespace tapestry {

struct RMSProp {
  double lr = 0.01, alpha = 0.99, eps = 1e-8;

  static constexpr const char* name = "RMSProp";
  static constexpr int slots() { return 1; }
  /// Throws ValueError.
  void check() const {
    require<ValueError>(lr >= 0 && std::isfinite(lr), "RMSProp: lr is ", lr,
                        ", expected a finite number of at least 0");
    require<ValueError>(alpha >= 0 && alpha < 1, "RMSProp: alpha is ", alpha,
                        ", expected 0 <= alpha < 1");
    require<ValueError>(eps > 0 && std::isfinite(eps), "RMSProp: eps is ", eps,
                        ", expected a finite number above 0");
  }

  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t) const {
    const T rate = static_cast<T>(lr), small = static_cast<T>(eps);
    const T keep = static_cast<T>(alpha), rest = static_cast<T>(1 - alpha);
    T* v = slot[0];
    for (size_t i = 0; i < w.size(); ++i) {
      v[i] = keep * v[i] + rest * g[i] * g[i];
      w[i] -= rate * g[i] / (std::sqrt(v[i]) + small);
    }
  }
};

}  // namespace tapestry
