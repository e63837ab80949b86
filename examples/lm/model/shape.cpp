#include <tapestry/examples/lm/model/shape.h>
#include <tapestry/nn/adaptive_softmax.h>

#include <algorithm>

namespace tapestry::lm {

int64_t gates(const std::string& cell) {
  if (cell == "rnn") return 1;
  if (cell == "gru") return 3;
  require<ValueError>(cell == "lstm", "cell: ", cell, " is not rnn, lstm or gru");
  return 4;
}

std::vector<int64_t> default_cutoffs(int64_t vocabulary) {
  constexpr int64_t kHead = 2000, kFactor = 5;
  std::vector<int64_t> out;
  for (int64_t at = kHead; at <= vocabulary / 2; at *= kFactor) out.push_back(at);
  if (out.empty()) out.push_back(std::max<int64_t>(1, vocabulary / 4));
  return out;
}

namespace {

void add_adaptive(const ModelShape& s, std::vector<ShapedParameter>& out) {
  const AdaptiveSoftmaxOptions usual;
  const int64_t head = s.cutoffs[0] + static_cast<int64_t>(s.cutoffs.size());
  out.push_back({"head", {head, s.hidden}, true});
  if (s.bias) out.push_back({"head_bias", {head}, true});
  int64_t width = s.hidden;
  for (size_t k = 0; k < s.cutoffs.size(); ++k) {
    const std::string tail = "tails." + std::to_string(k) + ".";
    const int64_t end = k + 1 < s.cutoffs.size() ? s.cutoffs[k + 1] : s.vocabulary,
                  words = end - s.cutoffs[k];
    width = std::max<int64_t>(1, width / usual.shrink);
    out.push_back({tail + "projection", {s.hidden, width}});
    out.push_back({tail + "weight", {words, width}, true});
    if (s.bias) out.push_back({tail + "bias", {words}, true});
  }
}

}  // namespace

std::vector<ShapedParameter> parameter_shapes(const ModelShape& s) {
  const int64_t width = gates(s.cell) * s.hidden;
  std::vector<ShapedParameter> out{
      {"input.table", {s.vocabulary, s.embed ? s.embed : width}, true}};
  for (int64_t l = 0; l < s.layers; ++l) {
    const std::string cell = "rnn.cells." + std::to_string(l) + ".";
    if (l > 0 || s.embed > 0) out.push_back({cell + "w_ih", {l ? s.hidden : s.embed, width}});
    out.push_back({cell + "w_hh", {s.hidden, width}});
    if (s.bias) out.push_back({cell + "bias", {width}});
    if (s.bias && s.cell == "gru") out.push_back({cell + "bias_hh", {width}});
  }
  if (!s.cutoffs.empty()) {
    add_adaptive(s, out);
    return out;
  }
  if (!s.tied) out.push_back({"weight", {s.vocabulary, s.hidden}, true});
  if (s.bias) out.push_back({"bias", {s.vocabulary}, true});
  return out;
}

}  // namespace tapestry::lm
