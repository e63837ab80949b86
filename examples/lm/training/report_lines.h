#pragma once
// What training says to people: losses, beside their floor where one is known, else as
// perplexities; the line of progress; the loss before anything is learnt; sentences of the model.

#include <optional>
#include <string>
#include <vector>

#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/text/data.h>
#include <tapestry/examples/lm/training/position.h>
#include <tapestry/optim/server/stats.h>

namespace tapestry::lm {

/// e^loss: "183.6", of huge ones "4.9e+08".
std::string perplexity(double loss, int decimals = 1);

/// "held out 1.7547, 0.004 above the floor 1.7510" or "loss 6.3307  ppl 561.5".
std::string describe_loss(const char* what, double loss, std::optional<double> floor);

/// Of training and of the held-out text, as last evaluated. A sampled loss of training is called so
/// and compared with nothing.
std::string describe_losses(const TrainSettings& settings, const Position& position,
                            const Data& data);

struct StatusNumbers {
  bool sampled = false;  // the loss is one over samples
  int64_t epochs = 0;
  double epoch_share = 0, loss = 0;
  std::optional<double> floor;
  double lr = 0;
  std::optional<double> grad_norm;
  double clip_rate = 0;  // share of the updates that were clipped
};
StatusNumbers status_numbers(const TrainSettings& settings, const Data& data,
                             const Position& position, double loss, double lr,
                             std::optional<double> grad_norm, double clip_rate);
app::Status training_status(const StatusNumbers& numbers, const Position& position);

/// Before any update a model knows nothing but the biases of its softmax, so its loss is near what
/// they alone give, ln V where they are 0: both, and a warning where it is not so.
std::vector<std::string> first_loss(const LanguageModel& model, const EncodedCorpus& text);

/// "stale p50 0 p99 5"
std::string describe_staleness(const ServerStats& stats);

/// Two sentences drawn from the model.
std::vector<std::string> samples(const LanguageModel& model, const Vocabulary& vocabulary,
                                 const TextSettings& text, uint64_t seed);

}  // namespace tapestry::lm
