#include <tapestry/examples/lm/model/check_gradients.h>

#include <algorithm>

namespace tapestry::lm {

std::vector<CheckedParameter> check_gradients(std::span<const NamedParameter> parameters,
                                              const std::function<Var()>& loss,
                                              const std::function<Var()>& surrogate,
                                              int64_t elements, double tolerance, uint64_t seed) {
  for (const NamedParameter& p : parameters) p.parameter->grad().clear();
  {
    Tape tape;
    tape.backward(loss());
  }
  std::vector<CheckedParameter> out;
  for (const NamedParameter& p : parameters) {
    const Tensor& value = p.parameter->value();
    out.push_back({p.name, value.shape(), std::min(elements, value.numel()),
                   gradcheck_parameters(
                       std::span(&p, 1), [&] { return surrogate().value().item(); }, elements,
                       tolerance, seed)});
  }
  for (const NamedParameter& p : parameters) p.parameter->grad().clear();
  return out;
}

std::vector<CheckedParameter> check_gradients(LanguageModel& model, const Batch& batch,
                                              int64_t elements, double tolerance, uint64_t seed) {
  FrozenStates frozen;
  Bptt freezing = model.rnn.bptt();
  freezing.frozen = &frozen;
  const auto loss = [&] {
    Rng rng(seed);
    return model.loss(batch, &rng);
  };
  const auto surrogate = [&, bptt = model.rnn.bptt()] {
    frozen.rewind();
    model.rnn.set_bptt(freezing);
    const Var value = loss();
    model.rnn.set_bptt(bptt);
    return value;
  };
  return check_gradients(parameters(model), loss, surrogate, elements, tolerance, seed);
}

}  // namespace tapestry::lm
