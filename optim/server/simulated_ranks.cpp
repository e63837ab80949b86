#include <tapestry/optim/server/simulated_ranks.h>

#include <algorithm>

#include <tapestry/optim/server/shares.h>

namespace tapestry {
namespace {

std::vector<Tensor> zeros_like(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(Tensor::zeros(t.shape(), t.dtype()));
  return out;
}

int64_t width(const Tensor& t) { return as_rows(t).size(1); }

}  // namespace

SimulatedRanks::SimulatedRanks(std::vector<Tensor> agreed, std::vector<Rank> ranks,
                               const RankOptions& options, int64_t lag, int64_t items)
    : agreed_(std::move(agreed)),
      sent_(zeros_like(agreed_)),
      change_(zeros_like(agreed_)),
      step_(zeros_like(agreed_)),
      options_(options),
      lag_(lag),
      items_(items),
      left_(items) {
  require<ValueError>(ranks.size() >= 2, "SimulatedRanks: ", ranks.size(),
                      " ranks, expected at least 2");
  require<ValueError>(lag >= 1 && lag <= options.every, "SimulatedRanks: lag is ", lag,
                      ", expected 1 to ", options.every, ", the items of a round");
  for (Rank& rank : ranks) seats_.push_back({std::move(rank)});
  for (const Tensor& t : step_) squares_.emplace_back(static_cast<size_t>(as_rows(t).size(0)));
  grant_next(2);
}

/// As ranks grant themselves items: so many rounds ahead.
void SimulatedRanks::grant_next(double rounds) {
  std::vector<Pace> paces;
  for (const Seat& seat : seats_)
    paces.push_back({static_cast<double>(options_.every), seat.stock()});
  int64_t next = items_ - left_;
  const std::vector<int64_t> shares = grant(left_, paces, rounds);
  for (size_t r = 0; r < seats_.size(); ++r)
    for (int64_t k = 0; k < shares[r]; ++k) seats_[r].granted.push_back(next++);
  left_ = items_ - next;
}

bool SimulatedRanks::round() {
  if (under_way_) {
    for (size_t i = 0; i < agreed_.size(); ++i) agreed_[i].add_(step_[i]);
    grant_next(3);
  }
  std::vector<int64_t> items;
  for (const Seat& seat : seats_) items.push_back(std::min(options_.every, seat.stock()));
  const Outer outer = outer_step(options_, items);
  for (Tensor& t : step_) t.fill_(0);
  for (std::vector<double>& squares : squares_) std::fill(squares.begin(), squares.end(), 0);
  for (size_t r = 0; r < seats_.size(); ++r)
    train_round(seats_[r], static_cast<size_t>(items[r]), outer.weights[r], outer.diverse);
  for (size_t i = 0; outer.diverse && i < step_.size(); ++i)
    dispatch("exchange", step_[i].dtype(), [&](auto zero) {
      scale_by_diversity(squares_[i], step_[i].write<decltype(zero)>().data(), width(step_[i]));
    });
  if (outer.momentum > 0) {
    if (momentum_.empty()) momentum_ = zeros_like(step_);
    for (size_t i = 0; i < step_.size(); ++i) {
      momentum_[i].mul_(outer.momentum).add_(step_[i]);
      step_[i].copy_(momentum_[i]);
    }
  }
  under_way_ = std::any_of(items.begin(), items.end(), [](int64_t n) { return n > 0; });
  return under_way_;
}

void SimulatedRanks::train(Seat& seat, size_t n) {
  if (n > 0) seat.rank.train(std::span(seat.granted).subspan(seat.begun, n));
  seat.begun += n;
}

void SimulatedRanks::train_round(Seat& seat, size_t n, double weight, bool diverse) {
  if (under_way_) {
    for (size_t i = 0; i < agreed_.size(); ++i) sent_[i].copy_(seat.rank.states[i].leaf->value);
    const size_t before = std::min(n, static_cast<size_t>(lag_));
    train(seat, before);
    n -= before;
    for (size_t i = 0; i < agreed_.size(); ++i)
      take_over(seat.rank.states[i].leaf->value, sent_[i], agreed_[i]);
  }
  train(seat, n);
  for (size_t i = 0; i < agreed_.size(); ++i)
    dispatch("exchange", agreed_[i].dtype(), [&](auto zero) {
      using T = decltype(zero);
      const std::span<T> change = change_[i].write<T>();
      const T *now = seat.rank.states[i].leaf->value.template read<T>().data(),
              *base = agreed_[i].read<T>().data();
      for (size_t k = 0; k < change.size(); ++k) change[k] = now[k] - base[k];
      add_change(step_[i].write<T>().data(), change.data(), std::ssize(change), weight);
      if (diverse) add_squares(squares_[i], change.data(), width(step_[i]));
    });
}

}  // namespace tapestry
