// lm train: reads text or draws a built-in corpus, trains a model, leaves a run directory.

#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/trainer.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tapestry::lm {
namespace {

using Json = nlohmann::ordered_json;

void banner(const TrainSettings& s, const Data& data, int64_t parameters) {
  const auto part = [&](const char* name, const EncodedCorpus& c, std::optional<double> floor) {
    fmt::print(stderr, "{}  {} sentences, {} tokens, longest {}, {:.2f}% unknown", name,
               c.sentences(), c.tokens(), c.longest,
               100 * static_cast<double>(c.oov) / static_cast<double>(c.tokens() - c.sentences()));
    if (floor) fmt::print(stderr, ", floor {:.4f}", *floor);
    fmt::print(stderr, "\n");
  };
  if (data.entropy)
    fmt::print(stderr, "corpus {} (built in), entropy {:.4f} nats per token\n", s.input.corpus,
               *data.entropy);
  for (const std::string& note : data.notes) fmt::print(stderr, "input  {}\n", note);
  part("data ", data.train, data.train_floor);
  if (data.valid.sentences() > 0) part("valid", data.valid, data.valid_floor);
  fmt::print(stderr, "vocab  {} tokens{}\n", data.vocabulary.size(),
             data.vocabulary.size() < s.input.vocab_size ? " (the text has no more)" : "");
  fmt::print(stderr, "model  {}, {} parameters\n", describe_model(s), parameters);
  fmt::print(stderr, "train  {}\n", describe_training(s));
  fmt::print(stderr, "run    {}\n", s.output);
}

Json results_of(const TrainSettings& s, const Data& data, const TrainResult& result) {
  const auto or_null = [](std::optional<double> x) { return x ? Json(*x) : Json(nullptr); };
  return {{"train_seconds", result.seconds},
          {"tokens_per_second", static_cast<double>(result.tokens) / result.seconds},
          {"epochs", s.epochs},
          {"train_loss", result.train_loss},
          {"valid_loss", or_null(result.valid_loss)},
          {"floor", or_null(data.valid_floor)},
          {"entropy", or_null(data.entropy)},
          {"best_epoch", result.best_epoch},
          {"parameters", result.parameters},
          {"run", s.output}};
}

app::Plot learning_curve(const TrainSettings& s, const Data& data, const TrainResult& result) {
  using app::Series;
  const std::string text = s.input.corpus.empty()
                               ? std::filesystem::path(s.input.files[0]).filename().string()
                               : s.input.corpus;
  app::Plot plot{.title = fmt::format("Learning curve: {} {} x {} on {}", s.model.cell,
                                      s.model.layers, s.model.hidden, text),
                 .x_label = "tokens read",
                 .y_label = "loss, nats per token",
                 .series = {}};
  // The fall from ln V in the first tenth of an epoch would flatten all that follows.
  const auto& [tokens, loss] = result.train;
  size_t first = 0;
  while (first + 2 < tokens.size() &&
         tokens[first] < 0.1 * static_cast<double>(data.train.tokens()))
    ++first;
  const auto skip = static_cast<std::ptrdiff_t>(first);
  plot.series.push_back({.name = "training",
                         .x = {tokens.begin() + skip, tokens.end()},
                         .y = {loss.begin() + skip, loss.end()}});
  if (result.valid_loss)
    plot.series.push_back({.name = "held out",
                           .x = result.valid.tokens,
                           .y = result.valid.loss,
                           .style = Series::Style::points});
  if (data.valid_floor)
    plot.series.push_back({.name = "floor",
                           .x = {tokens[first], tokens.back()},
                           .y = {*data.valid_floor, *data.valid_floor}});
  return plot;
}

void print_results(const TrainSettings& s, const Data& data, const TrainResult& r) {
  fmt::print("train loss {:.4f}", r.train_loss);
  if (r.valid_loss)
    fmt::print(", held-out loss {:.4f}, perplexity {:.2f}", *r.valid_loss, std::exp(*r.valid_loss));
  fmt::print(" after {} epoch{}, {:.0f} tokens/s\n", s.epochs, s.epochs == 1 ? "" : "s",
             static_cast<double>(r.tokens) / r.seconds);
  if (r.valid_loss && data.valid_floor)
    fmt::print(
        "held-out loss is {:.4f} nats above the floor {:.4f} (entropy of the grammar {:.4f})\n",
        *r.valid_loss - *data.valid_floor, *data.valid_floor, *data.entropy);
  if (r.best_epoch < s.epochs)
    fmt::print("best loss {:.4f} after epoch {}, which is what the other commands use\n",
               r.best_loss, r.best_epoch);
}

}  // namespace

app::ExitCode train(TrainSettings s) {
  resolve(s);
  app::catch_interrupts();
  const Data data = read_data(s.input);
  s.model.vocabulary = data.vocabulary.size();
  if (s.output.empty()) s.output = app::create_default_run("lm", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.output, run_files(), s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  app::write_atomically(directory / "config.json", config_text(s));
  data.vocabulary.save((directory / "vocab.txt").string());

  const TrainResult result = with_cell(s.model.cell, [&]<class Cell>() {
    Trainer<Cell> trainer(s, data, directory);
    if (!s.common.quiet) banner(s, data, trainer.parameters());
    return trainer.run();
  });

  const std::string results = results_of(s, data, result).dump(2) + "\n";
  app::write_atomically(directory / "results.json", results);
  if (s.parallel.workers > 1 || s.parallel.simulate > 0) {
    app::write_atomically(directory / "server.json", result.server.json() + "\n");
    if (!s.common.quiet) {
      std::ostringstream text;
      result.server.print(text);
      fmt::print(stderr, "{}", text.str());
    }
  }
  app::draw(learning_curve(s, data, result), directory / "learning_curve", "lm", s.common.quiet);
  if (s.json) {
    fmt::print("{}", results);
    return app::ExitCode::ok;
  }
  print_results(s, data, result);
  fmt::print("five sentences of the model:\n");
  std::fflush(stdout);
  sample({.run = s.output, .n = 5, .sampling = {}, .prompt = "", .seed = s.seed});
  fmt::print("run {}\n", s.output);
  if (!s.common.quiet)
    fmt::print(stderr, "next: lm info {0}, lm sample {0}, lm score {0} FILE\n", s.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
