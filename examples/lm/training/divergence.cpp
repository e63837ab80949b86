#include <fmt/format.h>
#include <tapestry/autograd/check_finite.h>
#include <tapestry/examples/lm/training/divergence.h>

#include <algorithm>
#include <cmath>

namespace tapestry::lm {
namespace {

bool is_hopeless(double loss, int64_t vocabulary) {
  return loss > 2 * std::log(static_cast<double>(vocabulary)) + 1;
}

}  // namespace

app::UserError diverged(const Position& position, const std::string& who, const std::string& what,
                        const std::string& kept) {
  return {app::ExitCode::diverged,
          fmt::format("diverged in epoch {} after update {}{}: {}", position.epoch + 1,
                      position.updates, who, what),
          fmt::format("{}; try a lower --lr, --clip-norm, --warmup, or fewer --workers",
                      kept.empty() ? "no checkpoint had been saved yet" : kept)};
}

std::string culprit(const Cluster& cluster, int64_t workers, int worker, int64_t item) {
  if (worker < 0) return "";
  if (!cluster.several()) return fmt::format(", worker {}", worker);
  const int64_t rank = worker < workers ? cluster.rank() : worker / workers;
  return fmt::format(", rank {}, worker {}, item {}", rank, worker % workers, item);
}

std::string first_bad_step(const Tensor& losses, const Packing& packing) {
  const auto values = losses.cast(f64).to_vector<double>();
  for (size_t row = 0; row < values.size(); ++row) {
    if (std::isfinite(values[row])) continue;
    const auto next =
        std::upper_bound(packing.offsets.begin(), packing.offsets.end(), static_cast<int64_t>(row));
    return fmt::format("time step {} of {}", next - packing.offsets.begin(), packing.steps());
  }
  return "";
}

std::string blame(const LanguageModel& model, const Batch& batch, Rng rng, std::string what) {
  std::string step;
  try {
    step = first_bad_step(model.token_losses(batch).value(), batch.packing);
    const CheckFinite check;
    Tape tape;
    tape.backward(model.loss(batch, &rng));
  } catch (const NonFiniteError& e) {
    what = e.what();
  }
  return step.empty() ? what : what + ", first at " + step;
}

bool is_finite(const LanguageModel& model, const Batch& batch, Rng rng) try {
  const CheckFinite check;
  Tape tape;
  tape.backward(model.loss(batch, &rng));
  return true;
} catch (const NonFiniteError&) {
  return false;
}

void LossWatch::add(double nats, int64_t tokens) {
  constexpr int64_t kUpdates = 50, kTokens = 1000;
  ++updates_, tokens_ += tokens, nats_ += nats;
  if (updates_ < kUpdates || tokens_ < kTokens) return;
  mean_ = nats_ / static_cast<double>(tokens_);
  const bool bad = is_hopeless(mean_, vocabulary_);
  in_a_row_ = bad ? in_a_row_ + 1 : 0;
  for_updates_ = bad ? for_updates_ + updates_ : 0;
  updates_ = tokens_ = 0, nats_ = 0;
}

std::string LossWatch::why_hopeless(double loss) const {
  if (!hopeless() && !is_hopeless(loss, vocabulary_)) return "";
  const std::string what =
      fmt::format("the loss is {:.4g}, where a model that knows nothing has ln V = {:.2f}",
                  hopeless() ? mean_ : loss, std::log(static_cast<double>(vocabulary_)));
  return hopeless() ? fmt::format("{}; it has been so for {} updates", what, for_updates_) : what;
}

}  // namespace tapestry::lm
