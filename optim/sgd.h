#pragma once
// Stochastic gradient descent, with momentum (Polyak, 1964) in the form of Sutskever, Martens, Dahl
// & Hinton (2013) as PyTorch computes it:  m = momentum m + g;  w -= lr m.
// Nesterov's variant steps along g + momentum m. Weight decay adds weight_decay * w to g.

#include <cmath>
#include <cstdint>
#include <span>

#include <tapestry/tensor/error.h>

namespace tapestry {

struct SGD {
  double lr = 0.01, momentum = 0, weight_decay = 0;
  bool nesterov = false;

  static constexpr const char* name = "SGD";
  int slots() const { return momentum > 0 ? 1 : 0; }
  /// Throws ValueError.
  void check() const {
    require<ValueError>(lr >= 0 && std::isfinite(lr), "SGD: lr is ", lr,
                        ", expected a finite number of at least 0");
    require<ValueError>(momentum >= 0 && momentum < 1, "SGD: momentum is ", momentum,
                        ", expected 0 <= momentum < 1");
    require<ValueError>(weight_decay >= 0 && std::isfinite(weight_decay), "SGD: weight_decay is ",
                        weight_decay, ", expected a finite number of at least 0");
    require<ValueError>(!nesterov || momentum > 0, "SGD: nesterov needs a momentum above 0");
  }

  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t) const {
    const T rate = static_cast<T>(lr), decay = static_cast<T>(weight_decay);
    if (momentum == 0) {
      for (size_t i = 0; i < w.size(); ++i) w[i] -= rate * (g[i] + decay * w[i]);
      return;
    }
    T* m = slot[0];
    const T keep = static_cast<T>(momentum), ahead = nesterov ? keep : T{1};
    const T now = nesterov ? T{1} : T{0};
    for (size_t i = 0; i < w.size(); ++i) {
      const T d = g[i] + decay * w[i];
      m[i] = keep * m[i] + d;
      w[i] -= rate * (now * d + ahead * m[i]);
    }
  }
};

}  // namespace tapestry
