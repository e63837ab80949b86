#pragma once
// What a checkpoint of a training holds: all that a resumed run needs to go on to the same bits.

#include <tapestry/examples/lm/model/language_model.h>
#include <tapestry/examples/lm/training/position.h>
#include <tapestry/examples/lm/training/train_batch.h>
#include <tapestry/optim/optimizer.h>
#include <tapestry/optim/schedule.h>

namespace tapestry::lm {

/// The parts of a training that change.
struct Training {
  LanguageModel& model;
  Optimizer& optimizer;
  Schedule& schedule;
  Position& position;
  Carried& carried;  // where the next item begins, if not at zero
};

/// Of the model's parameters; see fingerprint.h.
uint64_t fingerprint(const LanguageModel& model);

/// The tensors themselves, to be written before training goes on. `data` is the fingerprint of the
/// text; `streamed`: items carry a state on, not only pieces.
NamedTensors saved_state(const Training& training, const std::string& data, bool streamed);

/// Puts back what saved_state() saved. Of a model that was imported there are only the parameters:
/// then training begins. `where` starts the message when the text is another. Throws FormatError.
void restore(const Training& training, const NamedTensors& from, const std::string& data,
             const std::string& where, bool streamed);

}  // namespace tapestry::lm
