#include <tapestry/optim/rule.h>

namespace tapestry {
namespace {

void check_operands(const char* op, const UpdateRule& rule, const Tensor& w, const Tensor& g,
                    std::span<const Tensor> state) {
  require_same_dtype(op, w, g);
  require(static_cast<int>(state.size()) == slots(rule), op, ": ", name_of(rule), " has ",
          slots(rule), " slots, got ", state.size());
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

void update(const UpdateRule& rule, Tensor& w, const Tensor& g, std::span<Tensor> state,
            int64_t step) {
  check_operands("update", rule, w, g, state);
  require<ShapeError>(w.shape() == g.shape(), "update: a gradient of shape ", g.shape(),
                      " was given for ", w.shape());
  dispatch("update", w.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto at = elements<T>(state, 0);
    std::visit([&](const auto& r) { r.template update<T>(w.write<T>(), g.read<T>(), at, step); },
               rule);
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
    std::visit(
        [&](const auto& r) {
          for (size_t i = 0; i < ids.size(); ++i) {
            const auto first = static_cast<size_t>(ids[i]) * n;
            const auto at = elements<T>(state, ids[i] * width);
            r.template update<T>(weights.subspan(first, n), values.subspan(i * n, n), at, step);
          }
        },
        rule);
  });
}

}  // namespace tapestry
