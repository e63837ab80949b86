#include <fmt/format.h>
#include <tapestry/examples/lm/training/report_lines.h>

#include <cmath>

namespace tapestry::lm {

std::string perplexity(double loss, int decimals) {
  const double value = std::exp(loss);
  return value < 1e7 ? fmt::format("{:.{}f}", value, decimals) : fmt::format("{:.2g}", value);
}

std::string describe_loss(const char* what, double loss, std::optional<double> floor) {
  const std::string out = fmt::format("{} {:.4f}", what, loss);
  return out + (floor ? fmt::format(", {:.3f} above the floor {:.3f}", loss - *floor, *floor)
                      : "  ppl " + perplexity(loss));
}

}  // namespace tapestry::lm
