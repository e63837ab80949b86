#pragma once
// A run: the directory that `lm train` leaves behind and the other commands read.
//   config.json                  how the text is read, the model, the training settings
//   vocab.txt                    token<TAB>count, a line per id
//   run.json                     the manifest: command, data, machine
//   ckpt-000123.safetensors      parameters, optimizer, counters after 123 updates
//   last, best                   links to checkpoints
//   metrics.csv, metrics.jsonl   progress of the loss
//   learning_curve.*, ...        pictures (svg, png) with data (csv) and script (gp)
//   results.json                 what `lm train --json` prints, once the run has ended

#include <tapestry/examples/lm/config.h>
#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/tensor/safetensors.h>

#include <filesystem>

namespace tapestry::lm {

/// The patterns of the files a run owns.
const std::vector<std::string>& run_files();

/// A run opened for reading.
struct Run {
  std::filesystem::path directory, checkpoint;
  TrainSettings settings;
  Vocabulary vocabulary;
  NamedTensors state;  // the model's tensors, and all metadata

  /// `path` is a run directory (its best checkpoint, else the newest that can be read) or a
  /// checkpoint file in one. Throws UserError (no_input), FormatError.
  static Run open(const std::string& path);

  /// The model, in the element type it was trained in or another.
  LanguageModel model(DType dtype) const;
  LanguageModel model() const { return model(settings.dtype); }
};

}  // namespace tapestry::lm
