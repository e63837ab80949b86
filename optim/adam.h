#pragma once
// Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019: the decay acts on the weights, not
// on the gradient). Slots: the decaying means of g and of g^2. Steps count from 1.
//   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
//   w -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

#include <cmath>
#include <cstdint>
#include <span>

#include <tapestry/tensor/error.h>

namespace tapestry {

namespace detail {

template <class Rule>
void check_adam(const Rule& rule) {
  require<ValueError>(rule.lr >= 0 && std::isfinite(rule.lr), Rule::name, ": lr is ", rule.lr,
                      ", expected a finite number of at least 0");
  require<ValueError>(rule.beta1 >= 0 && rule.beta1 < 1, Rule::name, ": beta1 is ", rule.beta1,
                      ", expected 0 <= beta1 < 1");
  require<ValueError>(rule.beta2 >= 0 && rule.beta2 < 1, Rule::name, ": beta2 is ", rule.beta2,
                      ", expected 0 <= beta2 < 1");
  require<ValueError>(rule.eps > 0 && std::isfinite(rule.eps), Rule::name, ": eps is ", rule.eps,
                      ", expected a finite number above 0");
}

/// One Adam step after the weights were multiplied by `shrink`.
template <class T, class Rule>
void adam_update(const Rule& rule, double shrink, std::span<T> w, std::span<const T> g,
                 std::span<T* const> slot, int64_t step) {
  const double t = static_cast<double>(step);
  const T rate = static_cast<T>(rule.lr / (1 - std::pow(rule.beta1, t)));
  const T root = static_cast<T>(1 / std::sqrt(1 - std::pow(rule.beta2, t)));
  const T b1 = static_cast<T>(rule.beta1), b2 = static_cast<T>(rule.beta2);
  const T c1 = static_cast<T>(1 - rule.beta1), c2 = static_cast<T>(1 - rule.beta2);
  const T eps = static_cast<T>(rule.eps), keep = static_cast<T>(shrink);
  T *m = slot[0], *v = slot[1];
  for (size_t i = 0; i < w.size(); ++i) {
    m[i] = b1 * m[i] + c1 * g[i];
    v[i] = b2 * v[i] + c2 * g[i] * g[i];
    w[i] = keep * w[i] - rate * m[i] / (std::sqrt(v[i]) * root + eps);
  }
}

}  // namespace detail

struct Adam {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  static constexpr const char* name = "Adam";
  static constexpr int slots() { return 2; }
  void check() const { detail::check_adam(*this); }

  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t step) const {
    detail::adam_update(*this, 1, w, g, slot, step);
  }
};

struct AdamW {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;

  static constexpr const char* name = "AdamW";
  static constexpr int slots() { return 2; }
  void check() const {
    detail::check_adam(*this);
    require<ValueError>(weight_decay >= 0 && std::isfinite(weight_decay), "AdamW: weight_decay is ",
                        weight_decay, ", expected a finite number of at least 0");
  }

  template <class T>
  void update(std::span<T> w, std::span<const T> g, std::span<T* const> slot, int64_t step) const {
    detail::adam_update(*this, 1 - lr * weight_decay, w, g, slot, step);
  }
};

}  // namespace tapestry
