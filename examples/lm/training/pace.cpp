#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/training/items.h>
#include <tapestry/examples/lm/training/pace.h>
#include <tapestry/examples/lm/training/rule.h>
#include <tapestry/examples/lm/training/stop_inside.h>
#include <tapestry/examples/lm/training/train_batch.h>
#include <tapestry/optim/server/parameter_server.h>

#include <chrono>
#include <mutex>

namespace tapestry::lm {
namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds that an update takes, with all workers at work.
double seconds_of_update(const TrainSettings& s, const Data& data, const Items& items,
                         LanguageModel& model, double most) {
  std::atomic<int> halt{0};
  ServerOptions options = server_options(s, model);
  options.stop = &halt;
  ParameterServer<LanguageModel> server(model, make_rule(s), options, make_groups(s, model));
  std::mutex lock;
  const double began = seconds_now();
  double first = 0, last = 0;
  int64_t tokens = 0;
  const auto body = [&](LanguageModel& m, Worker& w, int64_t item) {
    const Batch batch = items.batch(item);
    Carried at{0, {}, items.rng(item)};
    const StopInside guard([&] { return seconds_now() - began > 2 * most; });
    train_batch(m, w, batch, piece_tokens(s.parallel, batch.packing), at,
                [&](double, int64_t n, bool) {
                  const std::lock_guard held(lock);
                  last = seconds_now();
                  if (first == 0 || last - began < most / 2)
                    first = last, tokens = 0;  // caches and memory pools are cold
                  else
                    tokens += n;
                  if (last - began > most) halt = 1;
                  return halt == 0;
                });
  };
  while (seconds_now() - began < most) server.run(items.size(), body);
  if (tokens == 0) return seconds_now() - began;
  const double mean =
      static_cast<double>(data.train.tokens()) / static_cast<double>(items.updates());
  return (last - first) / static_cast<double>(tokens) * mean;
}

/// Seconds that the held-out loss takes.
double seconds_of_evaluation(const LanguageModel& model, const Data& data) {
  constexpr int64_t kSentences = 32;
  if (!data.has_valid()) return 0;
  std::vector<int64_t> some;
  for (int64_t i = 0; i < std::min(kSentences, data.valid.sentences()); ++i) some.push_back(i);
  const Batch batch = make_batch(data.valid, some);
  const Tape::Pause pause;
  const double began = seconds_now();
  model.token_losses(batch);
  return (seconds_now() - began) / static_cast<double>(batch.tokens()) *
         static_cast<double>(data.valid.tokens());
}

}  // namespace

int64_t updates_in_time(const TrainSettings& s, const Data& data) try {
  constexpr double kTrial = 1.0 / 30, kMostOfTrial = 10, kReserve = 0.97;
  Items items(s, data.train);
  items.begin(0);
  LanguageModel model = initial_model(s, data.vocabulary);
  const double update =
      seconds_of_update(s, data, items, model, std::min(kTrial * s.max_time, kMostOfTrial));
  const auto in_epoch = static_cast<double>(items.updates());
  const double epochs = kReserve * (1 - kTrial) * s.max_time /
                        (update * in_epoch + seconds_of_evaluation(model, data));
  return std::max<int64_t>(
      1, static_cast<int64_t>(std::min(epochs, static_cast<double>(s.epochs)) * in_epoch));
} catch (const NonFiniteError&) {
  return 0;  // training will say where
}

}  // namespace tapestry::lm
