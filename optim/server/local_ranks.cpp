#include <tapestry/optim/server/local_ranks.h>

#include <algorithm>
#include <utility>

namespace tapestry {
namespace {

constexpr double kRoundsAhead = 3;  // of items that are granted

std::vector<Tensor> copies(std::span<const ParameterState> states) {
  std::vector<Tensor> out;
  for (const ParameterState& state : states) out.push_back(as_rows(state.leaf->value).clone());
  return out;
}

std::vector<RowSum::Table> tables(const std::vector<Tensor>& now, const std::vector<Tensor>& base) {
  std::vector<RowSum::Table> out;
  for (size_t i = 0; i < now.size(); ++i) out.push_back({now[i], base[i]});
  return out;
}

}  // namespace

LocalRanks::LocalRanks(Master& master, Communicator& ranks)
    : master_(master),
      options_(master.options.ranks),
      ranks_(ranks),
      agreed_(copies(master.states)),
      sent_(copies(master.states)),
      sum_(ranks_, tables(sent_, agreed_)),
      left_(master.items),
      paces_(static_cast<size_t>(ranks_.size()), static_cast<double>(options_.every)),
      steps_at_start_(master.optimizer.steps()),
      started_(seconds_now()) {
  grant_next(std::vector<Pace>(paces_.size(), {paces_[0], 0}), 2);
}

// ---- items

bool LocalRanks::known(int64_t j) const {
  const std::lock_guard lock(grants_);
  return j < stock_ || no_more_;
}

void LocalRanks::await_item(Replica& w, int64_t j) {
  if (known(j)) return;
  if (w.index != 0) return sleep_until([&] { return known(j) || master_.failed.load(); });
  const double start = seconds_now(), communicated = master_.rank.communicate_seconds;
  idle_since_ = start;
  sleep_until([&] {
    if (!known(j)) go_on(w, true);
    return known(j) || master_.failed.load();
  });
  const double now = seconds_now();
  idle_seconds_ += now - idle_since_, idle_since_ = 0;
  master_.rank.wait_seconds += now - start - (master_.rank.communicate_seconds - communicated);
}

int64_t LocalRanks::item(Replica& w, int64_t j) {
  await_item(w, j);
  if (master_.failed.load()) return kNoItem;
  const std::lock_guard lock(grants_);
  if (j >= stock_) return kNoItem;
  ++begun_;
  if (w.index == 0) told_idle_ = false;
  for (const Range& range : granted_) {
    if (j < range.count) return range.first + j;
    j -= range.count;
  }
  return kNoItem;
}

int64_t LocalRanks::available(Replica& w, int64_t j, int64_t most) {
  await_item(w, j);
  const std::lock_guard lock(grants_);
  return std::clamp<int64_t>(stock_ - j, 0, most);
}

void LocalRanks::grant_next(std::span<const Pace> paces, double rounds) {
  const std::vector<int64_t> shares = grant(left_, paces, rounds);
  const std::lock_guard lock(grants_);
  int64_t first = master_.items - left_;
  for (size_t r = 0; r < shares.size(); ++r) {
    if (static_cast<int>(r) == ranks_.rank() && shares[r] > 0) {
      granted_.push_back({first, shares[r]});
      stock_ += shares[r];
    }
    first += shares[r];
  }
  left_ = master_.items - first;
  no_more_ = left_ == 0;
}

/// All ranks do this alike, by what all have told.
void LocalRanks::add_grants(std::span<const Head> heads) {
  double speed = 0, working = 0, lasted = 0;
  for (const Head& head : heads) {
    lasted = std::max(lasted, head.lasted);
    if (head.items > 0 && head.seconds > 0)
      speed += static_cast<double>(head.items) / head.seconds, ++working;
    stopped_ = stopped_ || head.stop;
  }
  if (working > 0) period_ = static_cast<double>(options_.every) * working / speed;
  std::vector<Pace> paces;
  for (size_t r = 0; r < heads.size(); ++r) {
    const Head& head = heads[r];
    if (!options_.by_items && head.items > 0 && head.seconds > 0)
      paces_[r] = std::max(1.0, static_cast<double>(head.items) / head.seconds * period_);
    paces.push_back({paces_[r], head.stock});
  }
  if (stopped_) {
    const std::lock_guard lock(grants_);
    no_more_ = true;
  } else {
    // An exchange that takes longer than the interval makes rounds longer.
    const double stretch = options_.by_items || period_ == 0 ? 1 : std::max(1.0, lasted / period_);
    grant_next(paces, kRoundsAhead * stretch);
  }
}

// ---- rounds

bool LocalRanks::start_due(bool idle) const {
  const int64_t begun = begun_.load();
  if (options_.replay) {
    const auto& log = *options_.replay;
    const auto round = static_cast<size_t>(master_.rank.rounds);
    require<ValueError>(round < log.size(),
                        "replay: the run has more rounds than the recorded one (the same items, "
                        "options and number of ranks are needed)");
    return begun >= log[round].start && ended_ == log[round].ended;
  }
  if (options_.by_items) return idle || begun - begun_at_start_ >= options_.every;
  const bool stop = master_.options.stop && master_.options.stop->load() != 0;
  if ((idle && !told_idle_) || (stop && !told_stop_) || ranks_.called()) return true;
  return period_ > 0 ? seconds_now() - started_ >= period_
                     : 4 * (begun - begun_at_start_) >= options_.every;
}

bool LocalRanks::arrival_due(bool idle) const {
  const int64_t begun = begun_.load();
  if (options_.replay)
    return begun >= (*options_.replay)[static_cast<size_t>(master_.rank.rounds) - 1].arrival;
  if (options_.by_items) return idle || begun - begun_at_start_ >= options_.every;
  return here_;
}

bool LocalRanks::moved() {
  if (!here_)
    here_ = sum_.step([this](const std::vector<Bytes>& messages) { return outer(messages); });
  return here_;
}

void LocalRanks::go_on(Replica& w, bool idle) {
  const double start = seconds_now();
  double waited = 0;
  std::unique_lock<std::mutex> section;
  if (master_.section) section = lock_in_order(*master_.section, w.locks);
  if (under_way_) {
    moved();
    if (arrival_due(idle)) {
      const double due = seconds_now();
      sleep_until([this] { return moved(); });
      waited = seconds_now() - due;
      arrive(w);
    }
  }
  if (!under_way_ && !all_ended_ && start_due(idle)) {
    told_idle_ = idle;
    this->start(w);
  }
  if (!idle) master_.rank.wait_seconds += waited;
  master_.rank.communicate_seconds += seconds_now() - start - waited;
}

void LocalRanks::start(Replica& w) {
  for (size_t i = 0; i < sent_.size(); ++i) {
    const Tensor values = as_rows(master_.states[i].leaf->value);
    const RowLocks& locks = *master_.locks[i];
    for (int64_t shard = 0; shard < locks.count(); ++shard) {
      const int64_t begin = locks.begin(shard), rows = locks.end(shard) - begin;
      const LockHold hold(&w.access[i], begin, begin + rows, Hold::to_read);
      sent_[i].narrow(0, begin, rows).copy_(values.narrow(0, begin, rows));
    }
  }
  const double now = seconds_now();
  const int64_t begun = begun_.load();
  Head head;
  head.items = begun - begun_at_start_;
  if (idle_since_ > 0) idle_seconds_ += now - std::exchange(idle_since_, now);
  head.seconds = now - started_ - idle_seconds_, head.lasted = now - started_;
  if (options_.replay) {
    const RecordedRound& round = (*options_.replay)[static_cast<size_t>(master_.rank.rounds)];
    head.seconds = round.seconds, head.lasted = round.lasted;
  }
  head.ended = ended_;
  head.stop = told_stop_ = master_.options.stop && master_.options.stop->load() != 0;
  {
    const std::lock_guard lock(master_.counters);
    head.updates = master_.optimizer.steps() - steps_at_start_;
    steps_at_start_ = master_.optimizer.steps();
  }
  {
    const std::lock_guard lock(grants_);
    head.stock = stock_ - begun;
  }
  updates_ += head.updates;
  begun_at_start_ = begun, started_ = now, idle_seconds_ = 0;
  if (options_.log) options_.log->push_back({begun, begun, head.seconds, ended_, head.lasted});
  sum_.start(std::as_bytes(std::span(&head, 1)));
  under_way_ = true, here_ = false;
  ++master_.rank.rounds;
}

Outer LocalRanks::outer(const std::vector<Bytes>& messages) {
  heads_.clear();
  std::vector<int64_t> items;
  for (const Bytes& message : messages)
    items.push_back(heads_.emplace_back(Unpacker(message).get<Head>()).items);
  return outer_step(options_, items);
}

void LocalRanks::arrive(Replica& w) {
  sum_.visit([&](size_t i, int64_t first, int64_t rows, const void* step) {
    const RowLocks& locks = *master_.locks[i];
    const int64_t bytes = agreed_[i].size(1) * static_cast<int64_t>(size_of(agreed_[i].dtype()));
    for (int64_t begin = first, end = 0; begin < first + rows; begin = end) {
      end = std::min(first + rows, locks.end(locks.lock_of(begin)));
      merge(w, i, begin, end - begin, static_cast<const char*>(step) + (begin - first) * bytes);
    }
  });
  int64_t others = 0;
  all_ended_ = true;
  for (size_t r = 0; r < heads_.size(); ++r) {
    if (static_cast<int>(r) != ranks_.rank()) others += heads_[r].updates;
    all_ended_ = all_ended_ && heads_[r].ended;
  }
  {
    const std::lock_guard lock(master_.counters);
    master_.optimizer.count_steps(others);
    steps_at_start_ += others;
  }
  master_.rank.late_items += begun_.load() - begun_at_start_;
  if (options_.log) options_.log->back().arrival = begun_.load();
  under_way_ = false;
  add_grants(heads_);
}

/// Rows of one lock: the new agreed values, with what was learnt since the start on top.
void LocalRanks::merge(Replica& w, size_t i, int64_t first, int64_t rows, const void* step) {
  Tensor agreed = agreed_[i].narrow(0, first, rows);
  const Tensor sent = sent_[i].narrow(0, first, rows);
  Tensor values = as_rows(master_.states[i].leaf->value).narrow(0, first, rows);
  const LockHold hold(&w.access[i], first, first + rows, Hold::to_write);
  dispatch("exchange", agreed.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const std::span<T> g = agreed.write<T>();
    const T* u = static_cast<const T*>(step);
    for (size_t k = 0; k < g.size(); ++k) g[k] += u[k];
  });
  take_over(values, sent, agreed);
}

// ---- the end

void LocalRanks::finish(Replica& w) {
  ended_ = true, told_idle_ = false;
  const double start = seconds_now(), communicated = master_.rank.communicate_seconds;
  sleep_until([&] {
    if (!all_ended_) go_on(w, true);
    return all_ended_;
  });
  average_states();
  master_.rank.wait_seconds +=
      seconds_now() - start - (master_.rank.communicate_seconds - communicated);
}

void LocalRanks::average_states() {
  std::vector<Tensor> slots;
  for (const ParameterState& state : master_.states)
    for (const Tensor& slot : state.slots) slots.push_back(as_rows(slot));
  RowSum sum(ranks_, tables(slots, std::vector<Tensor>(slots.size())));
  Bytes mine;
  Packer packer(mine);
  packer.put(updates_);
  for (const ParameterState& state : master_.states) packer.put(state.updates);
  sum.start(mine);
  double all = 0;
  sleep_until([&] {
    return sum.step([&](const std::vector<Bytes>& messages) {
      Outer out;
      for (const Bytes& message : messages) {
        Unpacker unpacker(message);
        all += out.weights.emplace_back(static_cast<double>(unpacker.get<int64_t>()));
        for (ParameterState& state : master_.states)
          state.updates = std::max(state.updates, unpacker.get<int64_t>());
      }
      for (double& weight : out.weights) weight = all > 0 ? weight / all : 0;
      return out;
    });
  });
  if (all == 0) return;
  for (Tensor& slot : slots) slot.fill_(0);
  sum.visit([&](size_t i, int64_t first, int64_t rows, const void* values) {
    Tensor part = slots[i].narrow(0, first, rows);
    dispatch("exchange", part.dtype(), [&](auto zero) {
      using T = decltype(zero);
      std::copy_n(static_cast<const T*>(values), part.numel(), part.write<T>().begin());
    });
  });
}

}  // namespace tapestry
