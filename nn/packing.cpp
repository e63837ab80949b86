#include <tapestry/nn/packing.h>

#include <algorithm>
#include <numeric>

namespace tapestry {

Packing Packing::uniform(int64_t steps, int64_t batch) {
  require<ShapeError>(batch > 0, "Packing: ", batch, " sequences, expected at least 1");
  return Packing(std::vector<int64_t>(static_cast<size_t>(batch), steps));
}

Packing::Packing(std::span<const int64_t> lengths) {
  require<ShapeError>(!lengths.empty(), "Packing: no sequences");
  for (size_t i = 0; i < lengths.size(); ++i)
    require<ShapeError>(lengths[i] >= 1, "Packing: lengths[", i, "] = ", lengths[i],
                        ", expected at least 1 step");
  const size_t batch = lengths.size();
  order.resize(batch);
  std::iota(order.begin(), order.end(), 0);
  const auto length = [&](size_t slot) { return lengths[static_cast<size_t>(order[slot])]; };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
  });
  is_uniform = length(batch - 1) == length(0);

  const auto longest = static_cast<size_t>(length(0));
  counts.assign(longest, 0);
  for (size_t t = 0, alive = batch; t < longest; ++t) {
    while (length(alive - 1) <= static_cast<int64_t>(t)) --alive;
    counts[t] = static_cast<int64_t>(alive);
  }
  offsets.assign(1, 0);
  for (const int64_t n : counts) offsets.push_back(offsets.back() + n);
  require<ShapeError>(
      offsets.back() <= std::numeric_limits<int32_t>::max() &&
          static_cast<int64_t>(longest * batch) <= std::numeric_limits<int32_t>::max(),
      "Packing: ", offsets.back(), " rows are too many for i32 indices");

  const int64_t n = offsets.back(), b = static_cast<int64_t>(batch);
  padded = Tensor::empty({n}, i32);
  packed = Tensor::empty({static_cast<int64_t>(longest) * b}, i32);
  packed.fill_(static_cast<double>(n));
  previous = Tensor::empty({n - b}, i32);
  mirrored = Tensor::empty({n}, i32);
  last = Tensor::empty({b}, i32);
  slots = Tensor::empty({b}, i32);
  const auto row = [&](int64_t t, size_t slot) {
    return static_cast<int32_t>(offsets[static_cast<size_t>(t)] + static_cast<int64_t>(slot));
  };
  for (size_t slot = 0; slot < batch; ++slot) {
    const int32_t sequence = order[slot];
    slots.data<int32_t>()[sequence] = static_cast<int32_t>(slot);
    last.data<int32_t>()[sequence] = row(length(slot) - 1, slot);
    for (int64_t t = 0; t < length(slot); ++t) {
      const int32_t r = row(t, slot);
      const int64_t place = t * b + sequence;
      padded.data<int32_t>()[r] = static_cast<int32_t>(place);
      packed.data<int32_t>()[place] = r;
      mirrored.data<int32_t>()[r] = row(length(slot) - 1 - t, slot);
      if (t > 0) previous.data<int32_t>()[r - b] = row(t - 1, slot);
    }
  }
}

}  // namespace tapestry
