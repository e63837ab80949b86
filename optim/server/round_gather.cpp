#include <tapestry/optim/server/round_gather.h>

#include <algorithm>

#include <tapestry/optim/server/policy.h>

namespace tapestry {
namespace {

/// What a gradient is in a message.
enum class Kind : char { none, dense, rows };

void put_tensor(Packer& to, const Tensor& t) {
  dispatch_any(t.dtype(), [&](auto zero) { to.put(t.read<decltype(zero)>()); });
}

void get_tensor(Unpacker& from, Tensor& t) {
  dispatch_any(t.dtype(), [&](auto zero) { from.get(t.write<decltype(zero)>()); });
}

}  // namespace

RoundGather::RoundGather(Communicator& ranks, int workers, std::span<const ParameterState> states)
    : ranks_(ranks), workers_(static_cast<size_t>(workers)) {
  const auto n = static_cast<size_t>(ranks.size());
  out_.resize(n), in_.resize(n), sets_.resize(n * workers_);
  for (size_t k = 0; k < sets_.size(); ++k) {
    if (k / workers_ == static_cast<size_t>(ranks.rank())) continue;
    for (const ParameterState& state : states) {
      leaves_.emplace_back(new Leaf);
      leaves_.back()->value = state.leaf->value;
      sets_[k].add(state.name, *leaves_.back().get());
    }
  }
}

bool RoundGather::any(bool here) {
  const std::vector<char> all = tapestry::gather(ranks_, static_cast<char>(here));
  return std::find(all.begin(), all.end(), 1) != all.end();
}

void RoundGather::gather(std::span<RoundPart> parts, RankStats& stats) {
  const double start = seconds_now();
  const auto own = parts.subspan(static_cast<size_t>(ranks_.rank()) * workers_, workers_);
  // Weights first: gradients are scaled where they are.
  Bytes mine;
  for (const RoundPart& part : own) {
    Packer packer(mine);
    packer.put(part.weight), packer.put(part.tokens), packer.put(part.contributes);
  }
  std::fill(out_.begin(), out_.end(), mine);
  exchange(ranks_, out_, in_);
  double weight = 0;
  int64_t contributions = 0;
  for (size_t r = 0; r < in_.size(); ++r) {
    Unpacker unpacker(in_[r]);
    for (size_t k = r * workers_; k < (r + 1) * workers_; ++k) {
      parts[k].weight = unpacker.get<double>(), parts[k].tokens = unpacker.get<double>();
      parts[k].contributes = unpacker.get<bool>();
      if (parts[k].contributes) weight += parts[k].weight, ++contributions;
    }
  }
  for (const RoundPart& part : own)
    for (size_t i = 0; part.contributes && contributions > 1 && i < part.gradients->size(); ++i)
      if (part.weight != weight && !part.gradients->empty(i))
        part.gradients->grad(i).scale(part.weight / weight);
  stats.wait_seconds += seconds_now() - start;
  const double waited = seconds_now();
  mine.clear();
  pack(own, mine);
  std::fill(out_.begin(), out_.end(), mine);
  exchange(ranks_, out_, in_);
  for (size_t r = 0; r < in_.size(); ++r)
    if (static_cast<int>(r) != ranks_.rank()) unpack(parts.subspan(r * workers_, workers_), in_[r]);
  stats.communicate_seconds += seconds_now() - waited;
}

void RoundGather::pack(std::span<const RoundPart> own, Bytes& to) const {
  Packer packer(to);
  for (const RoundPart& part : own)
    for (size_t i = 0; part.contributes && i < part.gradients->size(); ++i) {
      if (part.gradients->empty(i)) {
        packer.put(Kind::none);
      } else if (part.gradients->sparse(i)) {
        const Rows& rows = part.gradients->coalesce(i);
        packer.put(Kind::rows), packer.put(rows.ids.numel());
        put_tensor(packer, rows.ids), put_tensor(packer, rows.values);
      } else {
        packer.put(Kind::dense), put_tensor(packer, part.gradients->dense(i));
      }
    }
}

void RoundGather::unpack(std::span<RoundPart> parts, const Bytes& from) {
  Unpacker unpacker(from);
  const auto first = static_cast<size_t>(&from - in_.data()) * workers_;
  for (size_t k = 0; k < workers_; ++k) {
    GradientSet& set = sets_[first + k];
    parts[k].gradients = &set;
    set.clear();
    for (size_t i = 0; parts[k].contributes && i < set.size(); ++i) {
      Leaf& leaf = set.leaf(i);
      const Kind kind = unpacker.get<Kind>();
      if (kind == Kind::dense) {
        leaf.dense = Tensor::empty(leaf.value.shape(), leaf.value.dtype());
        get_tensor(unpacker, leaf.dense);
      } else if (kind == Kind::rows) {
        Shape shape = leaf.value.shape();
        shape[0] = unpacker.get<int64_t>();
        Rows rows{Tensor::empty({shape[0]}, i32), Tensor::empty(shape, leaf.value.dtype())};
        get_tensor(unpacker, rows.ids), get_tensor(unpacker, rows.values);
        leaf.rows.push_back(std::move(rows));
      }
    }
  }
}

}  // namespace tapestry
