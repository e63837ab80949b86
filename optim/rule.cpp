#include <tapestry/optim/rule.h>

#include <algorithm>

#include <tapestry/tensor/threads.h>

namespace tapestry {

namespace detail {
template const RuleFunctions& rule_functions<SGD>();
template const RuleFunctions& rule_functions<Adam>();
template const RuleFunctions& rule_functions<AdamW>();
template const RuleFunctions& rule_functions<RMSProp>();
template const RuleFunctions& rule_functions<Adagrad>();
}  // namespace detail

namespace {

void check_operands(const char* op, const UpdateRule& rule, const Tensor& w, const Tensor& g,
                    std::span<const Tensor> state) {
  require_same_dtype(op, w, g);
  require(static_cast<int>(state.size()) == rule.slots(), op, ": ", rule.name(), " has ",
          rule.slots(), " slots, got ", state.size());
  for (const Tensor& slot : state) {
    require_same_dtype(op, w, slot);
    require<ShapeError>(slot.shape() == w.shape() && slot.contiguous(), op, ": a slot of shape ",
                        slot.shape(), " was given for ", w.shape());
  }
}

/// The elements of each slot, from element `first` on.
template <class T>
std::array<T*, kMaxSlots> elements(std::span<Tensor> state, int64_t first) {
  std::array<T*, kMaxSlots> out{};
  for (size_t k = 0; k < state.size(); ++k) out[k] = state[k].data<T>() + first;
  return out;
}

}  // namespace

void UpdateRule::check() const {
  functions_->check(bytes_);
  require<ValueError>(slots() >= 0 && slots() <= kMaxSlots, name(), ": ", slots(),
                      " slots, expected 0 to ", kMaxSlots);
}

void update(const UpdateRule& rule, Tensor& w, const Tensor& g, std::span<Tensor> state,
            int64_t step) {
  check_operands("update", rule, w, g, state);
  require<ShapeError>(w.shape() == g.shape(), "update: a gradient of shape ", g.shape(),
                      " was given for ", w.shape());
  dispatch("update", w.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto weights = w.write<T>();
    const auto values = g.read<T>();
    // Any split gives the same bits; a small one is not worth waking threads for.
    constexpr size_t kLeast = size_t{1} << 15;
    const auto most = static_cast<int>(std::clamp<size_t>(weights.size() / kLeast, 1, 1024));
    const int parts = std::min(kernel_threads, most);
    const auto begin = [&](int k) {
      return weights.size() * static_cast<size_t>(k) / static_cast<size_t>(parts);
    };
    const auto update_part = [&](int k) {
      const size_t first = begin(k), count = begin(k + 1) - first;
      const auto at = elements<T>(state, static_cast<int64_t>(first));
      rule.update(weights.subspan(first, count), values.subspan(first, count),
                  std::span<T* const>(at.data(), state.size()), step);
    };
    if (parts == 1) return update_part(0);
#pragma omp parallel for num_threads(parts) schedule(static, 1)
    for (int k = 0; k < parts; ++k) update_part(k);
  });
}

void update_rows(const UpdateRule& rule, Tensor& w, const Rows& g, std::span<Tensor> state,
                 int64_t step) {
  check_operands("update_rows", rule, w, g.values, state);
  require<ShapeError>(w.rank() >= 1, "update_rows: a scalar has no rows");
  require_rows("update_rows", g.ids, w.shape()[0]);
  const int64_t count = g.ids.numel();
  if (count == 0) return;
  const int64_t width = w.numel() / w.shape()[0];
  require<ShapeError>(g.values.numel() == count * width, "update_rows: rows ", g.values.shape(),
                      " do not fit ids ", g.ids.shape(), " of ", w.shape());
  dispatch("update_rows", w.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto ids = g.ids.read<int32_t>();
    const auto values = g.values.read<T>();
    const auto weights = w.write<T>();
    const auto n = static_cast<size_t>(width);
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto first = static_cast<size_t>(ids[i]) * n;
      const auto at = elements<T>(state, ids[i] * width);
      rule.update(weights.subspan(first, n), values.subspan(i * n, n),
                  std::span<T* const>(at.data(), state.size()), step);
    }
  });
}

}  // namespace tapestry
