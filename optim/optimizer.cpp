#include <tapestry/optim/optimizer.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapestry {
namespace {

void check_rate(const std::string& key, double rate, bool above_0 = false) {
  require<FormatError>((above_0 ? rate > 0 : rate >= 0) && std::isfinite(rate), "load: ", key,
                       " is ", rate, " in the file, expected a finite number ",
                       above_0 ? "above 0" : "of at least 0");
}

std::string group_key(const std::string& prefix, size_t group, const char* what) {
  return prefix + "group" + std::to_string(group) + "." + what;
}

/// Throws FormatError unless the file's groups are these; returns the rates they were given.
std::vector<double> load_groups(const NamedTensors& in, const std::string& prefix,
                                std::span<const UpdateRule> rules,
                                std::span<const ParameterState> states) {
  const std::string key = prefix + "groups";
  const size_t n = in.metadata.contains(key) ? in.number<size_t>(key) : 0;
  require<FormatError>(n + 1 == rules.size(), "load: ", key, " is ", n,
                       " in the file, the optimizer has ", rules.size() - 1);
  std::vector<double> rates;
  for (size_t k = 0; n > 0 && k < rules.size(); ++k) {
    const std::string& rule = in.text(group_key(prefix, k, "rule"));
    require<FormatError>(rule == rules[k].name(), "load: ", group_key(prefix, k, "rule"), " is ",
                         rule, " in the file, ", rules[k].name(), " in the optimizer");
    rates.push_back(in.number<double>(group_key(prefix, k, "lr")));
    check_rate(group_key(prefix, k, "lr"), rates.back(), k == 0);
  }
  for (const ParameterState& state : states) {
    const size_t group = n > 0 ? in.number<size_t>(prefix + "group." + state.name) : 0;
    require<FormatError>(group == state.group, "load: ", prefix, "group.", state.name, " is ",
                         group, " in the file, ", state.group, " in the optimizer");
  }
  return rates;
}

}  // namespace

Optimizer::Optimizer(std::span<const NamedParameter> parameters, UpdateRule rule,
                     const Groups& groups)
    : rules_{rule}, lr_(rule.lr()) {
  rule.check();
  for (const auto& [name, p] : parameters) {
    const Tensor& value = p->value();
    require<DTypeError>(value.dtype() != i32, "optimizer: ", name, " is i32, expected f32 or f64");
    require<ShapeError>(value.contiguous(), "optimizer: ", name, " ", value.shape(),
                        " is a strided view (make the Parameter from to_contiguous())");
    require(!p->ref()->held, "optimizer: ", name,
            " already belongs to an optimizer or a server (let that one end first)");
    states_.push_back({.name = name, .leaf = p->ref(), .slots = {}});
  }
  require<ValueError>(groups.empty() || lr_ > 0, "optimizer: groups need a rate above 0 of ",
                      rule.name(), ", to which set_lr() relates theirs");
  for (const ParameterGroup& group : groups) add_group(group);
  for (ParameterState& state : states_) {
    const Tensor& value = state.leaf->value;
    for (int k = 0; k < rules_[state.group].slots(); ++k)
      state.slots.push_back(Tensor::zeros(value.shape(), value.dtype()));
    gradients_.add(state.name, *state.leaf.get());
  }
  for (const ParameterState& state : states_) state.leaf->held = true;
}

void Optimizer::add_group(const ParameterGroup& group) {
  group.rule.check();
  rules_.push_back(group.rule);
  for (const Parameter* p : group.parameters) {
    const auto state = std::find_if(states_.begin(), states_.end(), [&](const auto& s) {
      return p && s.leaf.get() == p->ref().get();
    });
    require<ValueError>(state != states_.end(), "optimizer: a group of ", group.rule.name(),
                        " has a pointer to no parameter of the model (give &model.NAME of it)");
    require<ValueError>(state->group == 0, "optimizer: ", state->name, " is given twice in groups");
    state->group = rules_.size() - 1;
  }
}

Optimizer::~Optimizer() {
  for (const ParameterState& state : states_) state.leaf->held = false;
}

void Optimizer::step() {
  for (const ParameterState& state : states_)
    require(state.leaf->refs.load(std::memory_order_relaxed) > 1, "step: ", state.name,
            " is no longer part of a model (another model was moved into it; make the optimizer "
            "after that, or copy the values)");
  require(!gradients_.empty(),
          "step: no parameter has a gradient (compute the loss of this optimizer's model on a "
          "Tape and call backward)");
  for (size_t i = 0; i < states_.size(); ++i) {
    ParameterState& state = states_[i];
    if (gradients_.empty(i) || state.leaf->frozen) continue;
    if (gradients_.sparse(i))
      state.apply(rule_of(state), gradients_.coalesce(i), state.updates + 1);
    else
      state.apply(rule_of(state), gradients_.dense(i), state.updates + 1);
    ++state.updates;
  }
  gradients_.clear();
  ++steps_;
}

double Optimizer::clip_grad_norm(double max) {
  require<ValueError>(max > 0, "clip_grad_norm: max is ", max, ", expected a number above 0");
  const double norm = gradients_.clip(max, "clip_grad_norm: ");
  ++clip_calls_;
  clipped_ += norm > max;
  return norm;
}

double Optimizer::clip_rate() const {
  return clip_calls_ ? static_cast<double>(clipped_) / static_cast<double>(clip_calls_) : 0;
}

UpdateRule Optimizer::rule_at(size_t group, double lr) const {
  UpdateRule out = rules_[group];
  out.set_lr(group == 0 ? lr : out.lr() * (lr / rules_[0].lr()));
  return out;
}

void Optimizer::set_lr(double lr) {
  rule_at(0, lr).check();
  lr_ = lr;
}

std::vector<NamedTensor> Optimizer::slot_tensors() const {
  std::vector<NamedTensor> out;
  for (const ParameterState& state : states_)
    for (size_t k = 0; k < state.slots.size(); ++k)
      out.push_back({"slot" + std::to_string(k) + "." + state.name, state.slots[k]});
  return out;
}

void Optimizer::save(NamedTensors& out, const std::string& prefix) const {
  share(out, prefix);
  for (const auto& [name, tensor] : slot_tensors()) out.tensors[prefix + name] = tensor.clone();
}

void Optimizer::share(NamedTensors& out, const std::string& prefix) const {
  for (const auto& [name, tensor] : slot_tensors()) out.tensors[prefix + name] = tensor;
  out.metadata[prefix + "rule"] = rules_[0].name();
  out.put(prefix + "lr", lr_);
  out.put(prefix + "steps", steps_);
  out.put(prefix + "clip_calls", clip_calls_);
  out.put(prefix + "clipped", clipped_);
  for (const ParameterState& state : states_)
    out.put(prefix + "updates." + state.name, state.updates);
  if (rules_.size() == 1) return;
  out.put(prefix + "groups", rules_.size() - 1);
  for (size_t k = 0; k < rules_.size(); ++k) {
    out.put(group_key(prefix, k, "lr"), rules_[k].lr());
    out.metadata[group_key(prefix, k, "rule")] = rules_[k].name();
  }
  for (const ParameterState& state : states_) out.put(prefix + "group." + state.name, state.group);
}

void Optimizer::load(const NamedTensors& in, const std::string& prefix) {
  const std::string& rule = in.text(prefix + "rule");
  require<FormatError>(rule == rules_[0].name(), "load: ", prefix, "rule is ", rule,
                       " in the file, the optimizer is ", rules_[0].name());
  const std::vector<double> rates = load_groups(in, prefix, rules_, states_);
  const auto rate = in.number<double>(prefix + "lr");
  check_rate(prefix + "lr", rate);
  const auto counter = [&](const std::string& key) {
    const auto n = in.number<int64_t>(prefix + key);
    require<FormatError>(n >= 0 && n < std::numeric_limits<int64_t>::max(), "load: ", prefix, key,
                         " is ", n, " in the file, expected a count");
    return n;
  };
  const int64_t steps = counter("steps"), calls = counter("clip_calls"),
                clipped = counter("clipped");
  std::vector<int64_t> updates;
  for (const ParameterState& state : states_) updates.push_back(counter("updates." + state.name));
  copy_tensors(in, prefix, slot_tensors());  // the last that can throw
  for (size_t k = 0; k < rates.size(); ++k) rules_[k].set_lr(rates[k]);
  lr_ = rate;
  steps_ = steps;
  clip_calls_ = calls;
  clipped_ = clipped;
  for (size_t i = 0; i < states_.size(); ++i) states_[i].updates = updates[i];
}

}  // namespace tapestry
