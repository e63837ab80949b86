#include <tapestry/optim/optimizer.h>

#include <cmath>
#include <limits>

#include <tapestry/tensor/reduce.h>

namespace tapestry {

Optimizer::Optimizer(std::span<const NamedParameter> parameters, UpdateRule rule)
    : rule_(std::move(rule)) {
  check(rule_);
  for (const auto& [name, p] : parameters) {
    const Tensor& value = p->value();
    require<DTypeError>(value.dtype() != i32, "optimizer: ", name, " is i32, expected f32 or f64");
    require<ShapeError>(value.contiguous(), "optimizer: ", name, " ", value.shape(),
                        " is a strided view (make the Parameter from to_contiguous())");
    require(!p->ref()->held, "optimizer: ", name,
            " already belongs to an optimizer or a server (let that one end first)");
    Entry entry{name, p->ref(), {}, 0};
    for (int k = 0; k < slots(rule_); ++k)
      entry.slots.push_back(Tensor::zeros(value.shape(), value.dtype()));
    entries_.push_back(std::move(entry));
  }
  for (const Entry& entry : entries_) entry.leaf->held = true;
}

Optimizer::~Optimizer() {
  for (const Entry& entry : entries_) entry.leaf->held = false;
}

void Optimizer::step() {
  for (Entry& entry : entries_) {
    Leaf& leaf = *entry.leaf.get();
    Grad grad = leaf.grad();
    if (grad.empty()) continue;
    if (!leaf.frozen) update(entry);
    grad.clear();
  }
  ++steps_;
}

void Optimizer::update(Entry& entry) {
  Leaf& leaf = *entry.leaf.get();
  Grad grad = leaf.grad();
  if (grad.sparse()) {
    update_rows(rule_, leaf.value, grad.rows(), entry.slots, entry.updates + 1);
  } else {
    // Read in place where possible: dense() would first copy a gradient that is shared.
    const Tensor g = leaf.rows.empty() ? leaf.dense.to_contiguous() : grad.dense();
    tapestry::update(rule_, leaf.value, g, entry.slots, entry.updates + 1);
  }
  ++entry.updates;
}

double Optimizer::clip_grad_norm(double max) {
  require<ValueError>(max > 0, "clip_grad_norm: max is ", max, ", expected a number above 0");
  double squares = 0;
  for (Entry& entry : entries_) {
    Leaf& leaf = *entry.leaf.get();
    Grad grad = leaf.grad();
    if (grad.empty() || leaf.frozen) continue;
    // Contributions to one row add up before they are squared, so rows are coalesced, and kept so.
    if (grad.sparse()) {
      Rows rows = grad.rows();
      leaf.rows.clear();
      leaf.rows.push_back(std::move(rows));
    } else if (!leaf.rows.empty()) {
      grad.dense();
    }
    squares += squared_norm(grad.sparse() ? leaf.rows[0].values : leaf.dense);
    require<NonFiniteError>(std::isfinite(squares), "clip_grad_norm: the gradient of ", entry.name,
                            " is not finite");
  }
  const double norm = std::sqrt(squares);
  ++clip_calls_;
  if (norm <= max) return norm;
  ++clipped_;
  for (Entry& entry : entries_)
    if (Grad grad = entry.leaf->grad(); !grad.empty()) grad.scale(max / norm);
  return norm;
}

double Optimizer::clip_rate() const {
  return clip_calls_ ? static_cast<double>(clipped_) / static_cast<double>(clip_calls_) : 0;
}

void Optimizer::set_lr(double lr) {
  UpdateRule changed = rule_;
  set_learning_rate(changed, lr);
  check(changed);
  rule_ = changed;
}

std::vector<NamedTensor> Optimizer::slot_tensors() const {
  std::vector<NamedTensor> out;
  for (const Entry& entry : entries_)
    for (size_t k = 0; k < entry.slots.size(); ++k)
      out.push_back({"slot" + std::to_string(k) + "." + entry.name, entry.slots[k]});
  return out;
}

void Optimizer::save(NamedTensors& out, const std::string& prefix) const {
  for (const auto& [name, tensor] : slot_tensors()) out.tensors[prefix + name] = tensor.clone();
  out.metadata[prefix + "rule"] = name_of(rule_);
  out.put(prefix + "lr", lr());
  out.put(prefix + "steps", steps_);
  out.put(prefix + "clip_calls", clip_calls_);
  out.put(prefix + "clipped", clipped_);
  for (const Entry& entry : entries_) out.put(prefix + "updates." + entry.name, entry.updates);
}

void Optimizer::load(const NamedTensors& in, const std::string& prefix) {
  const std::string& rule = in.text(prefix + "rule");
  require<FormatError>(rule == name_of(rule_), "load: ", prefix, "rule is ", rule,
                       " in the file, the optimizer is ", name_of(rule_));
  const auto rate = in.number<double>(prefix + "lr");
  require<FormatError>(rate >= 0 && std::isfinite(rate), "load: ", prefix, "lr is ", rate,
                       " in the file, expected a finite number of at least 0");
  const auto counter = [&](const std::string& key) {
    const auto n = in.number<int64_t>(prefix + key);
    require<FormatError>(n >= 0 && n < std::numeric_limits<int64_t>::max(), "load: ", prefix, key,
                         " is ", n, " in the file, expected a count");
    return n;
  };
  const int64_t steps = counter("steps"), calls = counter("clip_calls"),
                clipped = counter("clipped");
  std::vector<int64_t> updates;
  for (const Entry& entry : entries_) updates.push_back(counter("updates." + entry.name));
  copy_tensors(in, prefix, slot_tensors());  // the last that can throw
  set_learning_rate(rule_, rate);
  steps_ = steps;
  clip_calls_ = calls;
  clipped_ = clipped;
  for (size_t i = 0; i < entries_.size(); ++i) entries_[i].updates = updates[i];
}

}  // namespace tapestry
