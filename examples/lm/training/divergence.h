#pragma once
// When training has gone wrong: a loss or gradient that is not finite, and who caused it; a finite
// loss that is far above what a model knows that knows nothing.

#include <span>
#include <string>

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/training/cluster.h>
#include <tapestry/examples/lm/training/position.h>

namespace tapestry::lm {

/// The error (exit code 10) that says so. `who` is ", worker 1" or empty; `kept` what the user
/// still has, if anything.
app::UserError diverged(const Position& position, const std::string& who, const std::string& what,
                        const std::string& kept);

/// ", worker 1"; where there are ranks ", rank 2, worker 1, item 30". Of a synchronous round the
/// worker may be one of another rank, each of which has `workers`. Empty below 0.
std::string culprit(const Cluster& cluster, int64_t workers, int worker, int64_t item);

/// "time step 3 of 17" where the first of the token losses that is not finite lies; empty if none.
std::string first_bad_step(const Tensor& losses, const Packing& packing);

/// What NonFiniteError says when the batch is repeated with checks on, and where its first bad loss
/// lies; `what` where nothing is found.
std::string blame(const LanguageModel& model, const Batch& batch, Rng rng, std::string what);

/// Whether the gradient of the batch is finite.
bool is_finite(const LanguageModel& model, const Batch& batch, Rng rng);

/// Notices that the loss stays hopeless, far above ln V, that of a model that knows nothing: a mean
/// over at least 50 updates and 1000 tokens, three times in a row.
class LossWatch {
 public:
  explicit LossWatch(int64_t vocabulary) : vocabulary_(vocabulary) {}
  void add(double nats, int64_t tokens);
  bool hopeless() const { return in_a_row_ >= 3; }
  /// "the loss is 53.1, where a model that knows nothing has ln V = 8.99" of what was added, or of
  /// this loss; empty where there is hope.
  std::string why_hopeless(double loss) const;

 private:
  int64_t vocabulary_, updates_ = 0, tokens_ = 0, in_a_row_ = 0, for_updates_ = 0;
  double nats_ = 0, mean_ = 0;
};

}  // namespace tapestry::lm
