#include <fmt/format.h>
#include <tapestry/examples/lm/ngram/compare.h>
#include <tapestry/examples/lm/ngram/mixture.h>

namespace tapestry::lm {

NgramComparison::NgramComparison(const Data& data, int order, const EncodedCorpus& text)
    : data_(data), text_(text), order_(order) {
  const KneserNey counted(data.train, data.vocabulary.size(), order);
  ngrams_ = counted.ngrams();
  on_valid_ = counted.log_probabilities(data.valid);
  on_text_ = counted.log_probabilities(text);
}

double NgramComparison::loss() const { return mean_loss(on_text_, on_text_, 1); }

Mixture NgramComparison::mix(const TokenLogs& network) const {
  Mixture out;
  if (data_.has_valid()) out.weight = mixture_weight(network(data_.valid), on_valid_);
  const std::vector<double> logs = network(text_);
  out.network = mean_loss(logs, on_text_, 1);
  out.both = mean_loss(logs, on_text_, out.weight);
  return out;
}

std::string NgramComparison::tuned_on() const {
  return data_.has_valid() ? fmt::format("{} tokens that the run held out", data_.valid.tokens())
                           : "";
}

}  // namespace tapestry::lm
