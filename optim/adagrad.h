#pragma once
// Adagrad (Duchi, Hazan & Singer, 2011). Slot: the sum of g^2.
//   v += g^2;  w -= lr g / (sqrt(v) + eps)
// An element whose gradient is 0 does not change, so row-sparse updates are exact.

#include <cmath>
#include <cstdint>
#include <span>

#include <tapestry/tensor/error.h>

namespace tapestry {

struct Adagrad {
  double lr = 0.01, eps = 1e-10;

  static constexpr const char* name = "Adagrad";
  static constexpr int slots() { return 1; }
  /// Throws ValueError.
  void check() const {
    require<ValueError>(lr >= 0 && std::isfinite(lr), "Adagrad: lr is ", lr,
                        ", expected a finite number of at least 0");
    require<ValueError>(eps > 0 && std::isfinite(eps), "Adagrad: eps is ", eps,
                        ", expected a finite number above 0");
  }

  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t) const {
    const T rate = static_cast<T>(lr), small = static_cast<T>(eps);
    T* v = slot[0];
    for (size_t i = 0; i < w.size(); ++i) {
      v[i] += g[i] * g[i];
      w[i] -= rate * g[i] / (std::sqrt(v[i]) + small);
    }
  }
};

}  // namespace tapestry
