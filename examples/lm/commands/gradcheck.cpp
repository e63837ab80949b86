// lm gradcheck: gradients of a small model on the built-in corpus against finite differences.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/check_gradients.h>
#include <tapestry/examples/lm/text/grammar.h>
#include <tapestry/examples/lm/train_options.h>
#include <tapestry/examples/lm/training/train_batch.h>

#include <algorithm>
#include <numeric>
#include <sstream>

namespace tapestry::lm {

void add_options(app::Command& command, GradcheckSettings& s) {
  add_model_options(command, s.model, s.bptt);
  add_objective_options(command, s.softmax, s.samples, s.model.cutoffs);
  const std::string group = "Check";
  command.add_option("--sentences", s.sentences, "in the batch")
      ->check(app::whole_number(1, 1000))
      ->group(group);
  command.add_option("--elements", s.elements, "compared in each parameter, at random")
      ->check(app::whole_number(1))
      ->group(group);
  command.add_option("--tolerance", s.tolerance, "largest error that passes")
      ->check(app::number(0))
      ->group(group);
  command.add_option("--seed", s.seed, "of sentences, initialisation and elements")
      ->check(app::whole_number(0))
      ->group(group);
  command.footer(
      "The error is |gradient - difference| / (1 + |difference|), in double. Exit code 11 where "
      "one "
      "is\nlarger than the tolerance. Example: lm gradcheck --cell lstm --bptt 4");
}

app::ExitCode gradcheck(const GradcheckSettings& s) {
  check_model(s.model, s.bptt);
  const Corpus corpus = generate(AgreementGrammar(), s.sentences, s.seed);
  const Vocabulary vocabulary = Vocabulary::build(corpus);
  const EncodedCorpus text = vocabulary.encode(corpus);
  std::vector<int64_t> all(static_cast<size_t>(s.sentences));
  std::iota(all.begin(), all.end(), 0);
  TrainSettings described;
  described.model = s.model;
  described.model.vocabulary = vocabulary.size();
  described.dtype = f64;
  described.bptt = s.bptt;
  described.softmax = s.softmax;
  described.samples = s.samples;
  resolve_cutoffs(described);
  described.seed = s.seed;
  if (described.sampled()) app::note("loss   over {} samples and the targets\n", s.samples);
  app::note("model  {}, {}; vocabulary {}\ndata   {} sentences, {} tokens, longest {}\n",
            describe_model(described), describe_bptt(s.bptt), vocabulary.size(), text.sentences(),
            text.tokens(), text.longest);

  LanguageModel model = initial_model(described, vocabulary);
  const auto checked =
      check_gradients(model, make_batch(text, all), s.elements, s.tolerance, s.seed);

  fmt::print("{:<22} {:>14} {:>9} {:>12}\n", "parameter", "shape", "compared", "worst error");
  bool ok = true;
  for (const CheckedParameter& p : checked) {
    std::ostringstream shape;
    shape << p.shape;
    fmt::print("{:<22} {:>14} {:>9} {:>12.1e}{}\n", p.name, shape.str(), p.elements, p.report.worst,
               p.report.ok ? "" : "  FAILED");
    ok = ok && p.report.ok;
  }
  const auto worst = std::max_element(
      checked.begin(), checked.end(),
      [](const auto& a, const auto& b) { return a.report.worst < b.report.worst; });
  fmt::print("worst  {}\n", worst->report.message.empty()
                                ? fmt::format("{}: error {:.1e}", worst->name, worst->report.worst)
                                : worst->report.message);
  fmt::print("{}: tolerance {:g}\n", ok ? "passed" : "failed", s.tolerance);
  return ok ? app::ExitCode::ok : app::ExitCode::check_failed;
}

}  // namespace tapestry::lm
