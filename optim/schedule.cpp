#include <tapestry/optim/schedule.h>

#include <cmath>
#include <numbers>

namespace tapestry {
namespace {

void check_rate(const char* what, double lr) {
  require<ValueError>(lr >= 0 && std::isfinite(lr), "schedule: ", what, " is ", lr,
                      ", expected a finite number of at least 0");
}
void check_length(const char* what, int64_t length, int64_t least) {
  require<ValueError>(length >= least, "schedule: ", what, " is ", length, ", expected at least ",
                      least);
}
void check_factor(double factor) {
  require<ValueError>(factor > 0 && factor <= 1, "schedule: factor is ", factor,
                      ", expected 0 < factor <= 1");
}

}  // namespace

Schedule Schedule::constant(double lr) {
  check_rate("lr", lr);
  return {Kind::constant, lr};
}

Schedule Schedule::step(double lr, int64_t every, double factor) {
  check_rate("lr", lr);
  check_length("every", every, 1);
  check_factor(factor);
  Schedule out(Kind::step, lr);
  out.length_ = every;
  out.factor_ = factor;
  return out;
}

Schedule Schedule::cosine(double lr, int64_t length, double last) {
  check_rate("lr", lr);
  check_length("length", length, 1);
  check_rate("last", last);
  Schedule out(Kind::cosine, lr);
  out.length_ = length;
  out.factor_ = last;
  return out;
}

Schedule Schedule::linear(double lr, int64_t length, double last) {
  Schedule out = cosine(lr, length, last);
  out.kind_ = Kind::linear;
  return out;
}

Schedule Schedule::plateau(double lr, double factor, int64_t patience) {
  check_rate("lr", lr);
  check_factor(factor);
  check_length("patience", patience, 0);
  Schedule out(Kind::plateau, lr);
  out.length_ = patience;
  out.factor_ = factor;
  return out;
}

Schedule Schedule::warm_up(int64_t length) const {
  check_length("warm-up", length, 0);
  Schedule out = *this;
  out.warm_up_ = length;
  return out;
}

double Schedule::lr(int64_t t) const {
  check_length("t", t, 0);
  const double start =
      t < warm_up_ ? static_cast<double>(t + 1) / static_cast<double>(warm_up_) : 1;
  const auto after = static_cast<double>(t < warm_up_ ? 0 : t - warm_up_);
  const auto length = static_cast<double>(length_);
  switch (kind_) {
    case Kind::constant:
      break;
    case Kind::step:
      return start * lr_ * std::pow(factor_, std::floor(after / length));
    case Kind::cosine: {
      const double turn = std::numbers::pi * std::min(after / length, 1.0);
      return start * (factor_ + (lr_ - factor_) * (1 + std::cos(turn)) / 2);
    }
    case Kind::linear:
      return start * (lr_ + (factor_ - lr_) * std::min(after / length, 1.0));
    case Kind::plateau:
      return start * lr_ * scale_;
  }
  return start * lr_;
}

bool Schedule::observe(double loss) {
  require<NonFiniteError>(std::isfinite(loss), "schedule: the observed loss is ", loss);
  if (kind_ != Kind::plateau) return false;
  const bool rises = observed_++ > 0 && loss > best_;
  rises_ = rises ? rises_ + 1 : 0;
  if (!rises) best_ = loss;
  if (rises_ <= length_) return false;
  rises_ = 0;
  scale_ *= factor_;
  return true;
}

const char* Schedule::name() const {
  constexpr const char* kNames[] = {"constant", "step", "cosine", "linear", "plateau"};
  return kNames[static_cast<int>(kind_)];
}

void Schedule::save(NamedTensors& out, const std::string& prefix) const {
  out.metadata[prefix + "kind"] = name();
  if (kind_ != Kind::plateau) return;
  out.put(prefix + "best", best_);
  out.put(prefix + "rises", rises_);
  out.put(prefix + "observed", observed_);
  out.put(prefix + "scale", scale_);
}

void Schedule::load(const NamedTensors& in, const std::string& prefix) {
  const std::string& kind = in.text(prefix + "kind");
  require<FormatError>(kind == name(), "load: ", prefix, "kind is ", kind,
                       " in the file, the schedule is ", name());
  if (kind_ != Kind::plateau) return;
  const auto best = in.number<double>(prefix + "best");
  const auto rises = in.number<int64_t>(prefix + "rises");
  const auto observed = in.number<int64_t>(prefix + "observed");
  const auto scale = in.number<double>(prefix + "scale");
  require<FormatError>(
      std::isfinite(best) && rises >= 0 && observed >= rises && scale > 0 && scale <= 1,
      "load: the state of ", prefix, "plateau is out of range");
  best_ = best;
  rises_ = rises;
  observed_ = observed;
  scale_ = scale;
}

}  // namespace tapestry
