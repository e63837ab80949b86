#pragma once
// What the commands of airline take from the command line, and the defaults.

#include <tapestry/examples/airline/methods/ensemble.h>
#include <tapestry/examples/airline/series/series.h>
#include <tapestry/examples/common/common_options.h>

#include <optional>
#include <string>

namespace tapestry::airline {

struct InputSettings {
  std::string file;  // empty: the built-in series
  ReadOptions read;
  // Of a panel: the column of the series' names, or a row for each series.
  std::string id_column;
  bool wide = false, skip_bad = false;
  size_t season2 = 0;  // 0: by the frequency

  bool is_panel() const { return wide || !id_column.empty(); }
};

/// Whose forecasts a run gives: the others are rows of its tables.
enum class Model { lstm, hybrid, combination };

struct TrainingSettings {
  std::optional<Model> model = {};  // empty: of one series the LSTM, of a panel the hybrid
  LstmSettings lstm;
  bool direct = false;  // --strategy direct; lstm.direct then becomes the horizon
  size_t runs = 5;      // seeds
  int64_t workers = 0;  // threads; 0: one per processor
};

struct FitSettings {
  InputSettings input;
  TrainingSettings training;
  std::string test = "24";  // how many values are held out at the end, or the first of them
  size_t horizon = 0;       // values forecast; 0: those held out, or else a season

  std::string output;
  bool overwrite = false;
  app::CommonOptions common;
};

/// Register options, whose defaults are those of the settings.
void add_input_options(app::Command& command, InputSettings& settings);
void add_training_options(app::Command& command, TrainingSettings& settings);
void add_output_options(app::Command& command, std::string& output, bool& overwrite);

/// Throws UserError for a label that the series does not have.
size_t held_out(const std::string& test, const Series& series);
/// The file's, or the built-in one; `positive`: a value without a logarithm is refused.
Series read_input(const InputSettings& settings, bool positive);
/// Throws FormatError unless a network can be trained without `test` values; `options` are those
/// that could be set lower.
void require_enough(const Series& series, const LstmSettings& lstm, size_t test,
                    const char* options);

/// The season of a series as the methods take it.
inline size_t season_of(const Series& series) { return series.season; }

/// "seed 1", "seeds 1 to 5"
std::string seeds_text(uint64_t first, size_t runs);

}  // namespace tapestry::airline
