#include <tapestry/tensor/softmax/candidates.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <tapestry/tensor/rows.h>

namespace tapestry {
namespace {

constexpr const char* kCandidatesOp = "candidates";

}  // namespace

CandidateSampler::CandidateSampler(std::span<const int64_t> counts, double exponent)
    : chances_(counts.size()), columns_(counts.size()) {
  require<ValueError>(!counts.empty(), kCandidatesOp,
                      ": no counts of words were given (sampling needs a vocabulary with counts)");
  require<ValueError>(exponent >= 0 && std::isfinite(exponent), kCandidatesOp, ": the exponent is ",
                      exponent, ", expected a finite number of at least 0");
  double drawn = 0, seen = 0;
  for (size_t j = 0; j < counts.size(); ++j) {
    require<ValueError>(counts[j] >= 0, kCandidatesOp, ": word ", j, " occurs ", counts[j],
                        " times");
    const double count = std::max(static_cast<double>(counts[j]), 0.5);
    chances_[j] = {std::pow(count, exponent), count};
    drawn += chances_[j].drawn;
    seen += count;
  }
  // Every column has the mean weight. The word of a light one is filled up by that of a heavy one.
  const double per_column = static_cast<double>(counts.size()) / drawn;
  std::vector<int32_t> light, heavy;
  for (size_t j = 0; j < counts.size(); ++j) {
    columns_[j] = {chances_[j].drawn * per_column, static_cast<int32_t>(j)};
    (columns_[j].own < 1 ? light : heavy).push_back(static_cast<int32_t>(j));
    chances_[j].drawn /= drawn;
    chances_[j].seen /= seen;
  }
  while (!light.empty() && !heavy.empty()) {
    Column& column = columns_[static_cast<size_t>(light.back())];
    light.pop_back();
    column.other = heavy.back();
    Column& giver = columns_[static_cast<size_t>(column.other)];
    giver.own -= 1 - column.own;
    if (giver.own >= 1) continue;
    light.push_back(column.other);
    heavy.pop_back();
  }
  for (const std::vector<int32_t>& rest : {light, heavy})  // 1 but for rounding
    for (const int32_t j : rest) columns_[static_cast<size_t>(j)].own = 1;
}

int32_t CandidateSampler::draw_one(Rng& rng) const {
  const double place = rng.uniform() * static_cast<double>(columns_.size());
  const auto column = static_cast<size_t>(place);
  const Column& c = columns_[column];
  return place - static_cast<double>(column) < c.own ? static_cast<int32_t>(column) : c.other;
}

Candidates CandidateSampler::draw(const Tensor& targets, int64_t samples, Rng& rng) const {
  require<ValueError>(samples >= 1 && samples <= words(), kCandidatesOp, ": ", samples,
                      " samples, expected 1 to ", words(), ", the number of words");
  require_rows(kCandidatesOp, targets, words());
  require<ShapeError>(targets.rank() == 1, kCandidatesOp, ": targets ", targets.shape(),
                      ": expected (rows)");
  const Tensor ts = targets.to_contiguous();
  const std::span<const int32_t> wanted(ts.data<int32_t>(), static_cast<size_t>(ts.numel()));
  PoolVector<int32_t> ids;
  if (samples == words()) {
    ids.resize(chances_.size());
    std::iota(ids.begin(), ids.end(), 0);
  } else {
    ids.reserve(static_cast<size_t>(samples) + wanted.size());
    for (int64_t k = 0; k < samples; ++k) ids.push_back(draw_one(rng));
    ids.insert(ids.end(), wanted.begin(), wanted.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  }
  const auto n = static_cast<int64_t>(ids.size());
  Candidates out{Tensor::empty({n}, i32), Tensor::empty({ts.numel()}, i32),
                 Tensor::empty({n}, f64)};
  std::copy(ids.begin(), ids.end(), out.ids.data<int32_t>());
  for (size_t t = 0; t < wanted.size(); ++t)
    out.places.data<int32_t>()[t] =
        static_cast<int32_t>(std::lower_bound(ids.begin(), ids.end(), wanted[t]) - ids.begin());
  const double others = static_cast<double>(wanted.size()) - 1;
  for (size_t k = 0; k < ids.size(); ++k) {
    const Chances& c = chances_[static_cast<size_t>(ids[k])];
    const double times = static_cast<double>(samples) * c.drawn + std::max(0.0, others) * c.seen;
    out.correction.data<double>()[k] = samples == words() ? 0 : -std::log(-std::expm1(-times));
  }
  return out;
}

}  // namespace tapestry
