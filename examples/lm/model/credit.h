#pragma once
// The credit horizon: how much of the error of output t reaches the state k steps back. Where it
// has faded, a longer --bptt teaches a model nothing more; where it has not, a shorter one loses
// what lies behind.

#include <tapestry/examples/lm/model/language_model.h>

namespace tapestry::lm {

/// share[k] is the mean of |dL_t / ds_{t-k}| / |dL_t / ds_t| over sentences and outputs t, for
/// k = 0 ... steps: L_t is the loss of output t alone, s the whole recurrent state (cells
/// included). Sentences shorter than `steps` + 1 tokens are left out; empty where none is left.
std::vector<double> credit_horizon(const LanguageModel& model, const EncodedCorpus& corpus,
                                   int64_t steps, int64_t most_sentences = 64);

}  // namespace tapestry::lm
