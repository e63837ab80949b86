#include <tapestry/optim/average.h>

namespace tapestry {

void restart_averages(Optimizer& optimizer) {
  for (ParameterState& state : optimizer.states())
    if (const int slot = optimizer.rule_of(state).average(); slot >= 0)
      for (const int i : {slot, slot + 1}) state.slots[static_cast<size_t>(i)].fill_(0);
}

AveragedValues::AveragedValues(Optimizer& optimizer) {
  for (const ParameterState& state : optimizer.states())
    if (optimizer.rule_of(state).average() >= 0)
      kept_.push_back({state.leaf, state.leaf->value.clone(), state.leaf->frozen});
  require<ValueError>(!kept_.empty(), "AveragedValues: the rule ", optimizer.rule().name(),
                      " keeps no average (use Ema or Averaged)");
  for (ParameterState& state : optimizer.states()) {
    const int slot = optimizer.rule_of(state).average();
    if (slot < 0) continue;
    Tensor& value = state.leaf->value;
    dispatch("AveragedValues", value.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const auto average = state.slots[static_cast<size_t>(slot)].template read<T>(),
                 count = state.slots[static_cast<size_t>(slot) + 1].template read<T>();
      const auto w = value.template write<T>();
      for (size_t i = 0; i < w.size(); ++i)
        if (count[i] > 0) w[i] = average[i];
    });
    state.leaf->frozen = true;
  }
}

AveragedValues::~AveragedValues() {
  for (Kept& kept : kept_) {
    kept.leaf->value.copy_(kept.value);
    kept.leaf->frozen = kept.frozen;
  }
}

}  // namespace tapestry
