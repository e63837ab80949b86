#include <tapestry/examples/lm/model/shape.h>
#include <tapestry/tensor/error.h>

namespace tapestry::lm {

int64_t gates(const std::string& cell) {
  if (cell == "rnn") return 1;
  if (cell == "gru") return 3;
  require<ValueError>(cell == "lstm", "cell: ", cell, " is not rnn, lstm or gru");
  return 4;
}

std::vector<ShapedParameter> parameter_shapes(const ModelShape& s) {
  const int64_t width = gates(s.cell) * s.hidden;
  std::vector<ShapedParameter> out{{"input.table", {s.vocabulary, s.embed ? s.embed : width}}};
  for (int64_t l = 0; l < s.layers; ++l) {
    const std::string cell = "rnn.cells." + std::to_string(l) + ".";
    if (l > 0 || s.embed > 0) out.push_back({cell + "w_ih", {l ? s.hidden : s.embed, width}});
    out.push_back({cell + "w_hh", {s.hidden, width}});
    if (s.bias) out.push_back({cell + "bias", {width}});
    if (s.bias && s.cell == "gru") out.push_back({cell + "bias_hh", {width}});
  }
  if (!s.tied) out.push_back({"weight", {s.vocabulary, s.hidden}});
  if (s.bias) out.push_back({"bias", {s.vocabulary}});
  return out;
}

}  // namespace tapestry::lm
