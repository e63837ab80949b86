// lm: word-level recurrent language models, trained on text.

#include <fmt/format.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/version.h>
#include <tapestry/examples/lm/commands.h>

int main(int argc, char** argv) {
  using namespace tapestry;
  return app::run_main("lm", [&] {
    lm::TrainSettings train = lm::preset_of(argc, argv);
    lm::EvalSettings eval;
    const auto app = app::make_app("lm", "Trains and uses word-level recurrent language models.",
                                   app::version("lm"));
    lm::add_train_options(*app->add_subcommand("train", "train a model on text"), train);
    lm::add_eval_options(*app->add_subcommand("eval", "loss and perplexity of a model on text"),
                         eval);
    app->require_subcommand(1);
    if (!app::parse(*app, argc, argv)) return app::ExitCode::ok;
    return app->got_subcommand("train") ? lm::train(train) : lm::eval(eval);
  });
}
