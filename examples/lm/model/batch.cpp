#include <tapestry/examples/lm/model/batch.h>

#include <algorithm>
#include <numeric>

namespace tapestry::lm {

Batch make_batch(const EncodedCorpus& corpus, std::span<const int64_t> sentences) {
  std::vector<int64_t> lengths;
  for (const int64_t s : sentences)
    lengths.push_back(static_cast<int64_t>(corpus.inputs(s).size()));
  Batch batch{Packing(lengths), {}, {}};
  const Packing& p = batch.packing;
  batch.inputs = Tensor::empty({p.rows()}, i32);
  batch.targets = Tensor::empty({p.rows()}, i32);
  for (int64_t slot = 0; slot < p.batch(); ++slot) {
    const int64_t s = sentences[static_cast<size_t>(p.order[static_cast<size_t>(slot)])];
    const auto in = corpus.inputs(s), out = corpus.targets(s);
    for (size_t t = 0; t < in.size(); ++t) {
      batch.inputs.data<int32_t>()[p.offsets[t] + slot] = in[t];
      batch.targets.data<int32_t>()[p.offsets[t] + slot] = out[t];
    }
  }
  return batch;
}

namespace {

/// The time step behind the piece that begins at `begin`.
int64_t end_of_piece(const Packing& p, int64_t begin, int64_t max_tokens) {
  const auto offset = [&](int64_t t) { return p.offsets[static_cast<size_t>(t)]; };
  int64_t end = begin + 1;
  while (end < p.steps() && offset(end + 1) - offset(begin) <= max_tokens) ++end;
  return end;
}

}  // namespace

int64_t count_pieces(const Packing& p, int64_t max_tokens) {
  int64_t count = 0;
  for (int64_t t = 0; t < p.steps(); t = end_of_piece(p, t, max_tokens)) ++count;
  return count;
}

std::vector<Batch> pieces(const Batch& batch, int64_t max_tokens) {
  const Packing& p = batch.packing;
  std::vector<Batch> out;
  for (int64_t begin = 0; begin < p.steps();) {
    const int64_t end = end_of_piece(p, begin, max_tokens);
    std::vector<int64_t> lengths(static_cast<size_t>(p.counts[static_cast<size_t>(begin)]), 0);
    for (int64_t t = begin; t < end; ++t)
      for (int64_t slot = 0; slot < p.counts[static_cast<size_t>(t)]; ++slot)
        ++lengths[static_cast<size_t>(slot)];
    const int64_t first = p.offsets[static_cast<size_t>(begin)],
                  rows = p.offsets[static_cast<size_t>(end)] - first;
    out.push_back({Packing(lengths), batch.inputs.narrow(0, first, rows),
                   batch.targets.narrow(0, first, rows)});
    begin = end;
  }
  return out;
}

void group_lengths(const EncodedCorpus& corpus, int64_t batch, int64_t batches, Rng rng,
                   std::vector<int64_t>& order) {
  const auto size = static_cast<size_t>(batch), block = size * static_cast<size_t>(batches);
  std::vector<int64_t> sorted;
  for (size_t first = 0; first < order.size(); first += block) {
    const auto part = std::span(order).subspan(first, std::min(block, order.size() - first));
    std::stable_sort(part.begin(), part.end(), [&](int64_t a, int64_t b) {
      return corpus.inputs(a).size() > corpus.inputs(b).size();
    });
    sorted.assign(part.begin(), part.end());
    std::vector<size_t> places(part.size() / size);  // of whole batches; a last one stays
    std::iota(places.begin(), places.end(), size_t{0});
    if (places.size() > 1) rng.shuffle(std::span(places));
    for (size_t i = 0; i < places.size(); ++i)
      std::copy_n(sorted.begin() + static_cast<std::ptrdiff_t>(places[i] * size), size,
                  part.begin() + static_cast<std::ptrdiff_t>(i * size));
  }
}

std::vector<int64_t> epoch_order(int64_t sentences, bool shuffle, uint64_t seed, int64_t epoch,
                                 int64_t block) {
  constexpr uint64_t kShuffleStream = uint64_t{1} << 32;
  Rng rng(seed, kShuffleStream + static_cast<uint64_t>(epoch));
  if (block == 0 || !shuffle) block = std::max<int64_t>(sentences, 1);
  std::vector<int64_t> blocks(static_cast<size_t>((sentences + block - 1) / block));
  std::iota(blocks.begin(), blocks.end(), 0);
  if (blocks.size() > 1) rng.shuffle(std::span(blocks));
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(sentences));
  for (const int64_t b : blocks) {
    const size_t start = order.size();
    for (int64_t i = b * block; i < std::min((b + 1) * block, sentences); ++i) order.push_back(i);
    if (shuffle) rng.shuffle(std::span(order).subspan(start));
  }
  return order;
}

}  // namespace tapestry::lm
