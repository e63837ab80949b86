#include <fmt/format.h>
#include <tapestry/examples/common/exit_code.h>
#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/lm/training/held_out.h>
#include <tapestry/examples/lm/training/report_lines.h>
#include <tapestry/examples/lm/training/rule.h>
#include <tapestry/examples/lm/training/stop_inside.h>
#include <tapestry/examples/lm/training/trainer.h>
#include <tapestry/tensor/threads.h>

namespace tapestry::lm {

Trainer::Trainer(const TrainSettings& settings, const Data& data,
                 const app::RunDirectory* directory, const NamedTensors* resumed,
                 const Cluster& cluster)
    : s_(settings),
      data_(data),
      cluster_(cluster),
      model_(initial_model(settings, data.vocabulary)),
      items_(settings, data.train, cluster.size()),
      schedule_(make_schedule(settings, items_.updates())),
      server_(model_, make_rule(settings), options(), make_groups(settings, model_)),
      schedules_(settings.parallel),
      watch_(settings.model.vocabulary) {
  if (directory) checkpoints_.emplace(*directory, settings.keep);
  if (resumed) {
    restore(training(), *resumed, hex(data.fingerprint()), s_.output, items_.streamed());
    if (checkpoints_) checkpoints_->restore_best(position_.best_updates);
  }
  if (directory) metrics_.emplace(*directory, position_.rows, s_.sampled());
  app::ProgressSettings progress = s_.common.progress_settings("tok");
  progress.quiet = progress.quiet || !cluster_.first();
  if (s_.max_time > 0) progress.max_seconds = std::max(1.0, s_.max_time - position_.seconds);
  progress_.emplace(items_.total_tokens(), progress, static_cast<double>(position_.tokens));
  began_ = std::chrono::steady_clock::now();
  seconds_before_ = position_.seconds, tokens_before_ = position_.tokens;
  updates_before_ = position_.updates;
}

TrainResult Trainer::run() {
  if (position_.updates == 0 && cluster_.first())
    for (const std::string& line : first_loss(model_, data_.train)) progress_->log(line);
  TrainResult result;
  const auto goes_on = [&] {
    result.ended = cluster_.text_of_first(reason_to_end(s_, position_, run_seconds()));
    return position_.epoch < s_.epochs && result.ended.empty();
  };
  while (goes_on()) {
    train_on();
    if (watch_.hopeless()) check_hope(recent_loss_);
    if (position_.item == items_.size())
      finish_epoch();
    else if (save_due_ || app::save_requested().exchange(false))
      save(false);
    if (signal()) stop_here();
    if (sample_due_ && cluster_.first()) {
      const auto averaged = averages();
      for (const std::string& line : samples(model_, data_.vocabulary, s_.input.text, s_.seed))
        progress_->log("sample  " + line);
    }
  }
  finish_run();
  result.position = position_;
  result.position.seconds = seconds_before_ + progress_->seconds();
  result.whole_epochs = position_.item == 0 && position_.piece == 0;
  result.seconds = progress_->seconds();
  result.tokens = position_.tokens - tokens_before_;
  result.fingerprint = model_fingerprint();
  result.server = stats_;
  return result;
}

// ---- a stretch of updates

ServerOptions Trainer::options() {
  ServerOptions out = server_options(s_, model_);
  out.lr = [this](int64_t updates) { return schedule_.lr(updates); };
  out.stop = &halt_;
  if (cluster_.several()) out.ranks = rank_options(s_, cluster_, items_.tokens());
  return out;
}

void Trainer::train_on() {
  items_.begin(position_.epoch);
  if (items_.streamed() && position_.item == 0) carried_.state = model_.rnn.zero(items_.columns());
  halt_ = 0, save_due_ = sample_due_ = false;
  before_ = position_;
  const int64_t left = items_.size() - position_.item;
  own_ = {};
  const int64_t steps = server_.optimizer().steps();
  if (left == 0) return;  // a signal came between the last item and the end of the epoch
  const KernelThreads scope(static_cast<int>(s_.parallel.threads));
  const auto body = [this, first = position_.item](LanguageModel& m, Worker& w, int64_t item) {
    train_item(m, w, first + item);
  };
  try {
    stats_ += s_.parallel.simulate          ? server_.simulate(left, body)
              : !s_.parallel.record.empty() ? server_.record(left, body, schedules_.next())
              : !s_.parallel.replay.empty() ? server_.replay(left, body, schedules_.next())
                                            : server_.run(left, body);
  } catch (const NonFiniteError& e) {
    round_diverged(e.what());
  }
  if (cluster_.several()) agree(steps);
}

void Trainer::agree(int64_t steps_before) {
  own_.signal = app::interrupted(), own_.sample = sample_due_;
  own_.save = save_due_ || app::save_requested().exchange(false);
  const Stretch all = of_all_ranks(cluster_, own_);
  advance(position_, before_, all, server_.optimizer().steps() - steps_before);
  agreed_signal_ = all.signal, save_due_ = all.save, sample_due_ = all.sample;
}

void Trainer::train_item(LanguageModel& m, Worker& w, int64_t item) {
  const Batch batch = items_.batch(item);
  std::optional<StopInside> guard;
  if (!cluster_.several()) guard.emplace([this] { return out_of_time(); });
  try {
    train_on_batch(m, w, batch, items_.rng(item));
  } catch (const NonFiniteError& e) {
    item_diverged(m, w.index(), item, e.what());
  }
}

void Trainer::train_on_batch(LanguageModel& m, Worker& w, const Batch& batch, Rng rng) {
  bool whole = false;
  const AfterUpdate after = [&](double nats, int64_t tokens, bool last) {
    whole = last;
    return note(nats, tokens, w.gradient_norm(), last);
  };
  const bool goes_on = alone() && carried_.piece > 0;
  Carried at = goes_on ? std::exchange(carried_, {}) : Carried{0, {}, rng};
  if (items_.streamed()) {
    at.state = std::move(carried_.state);
    train_window(m, w, batch, at, after);
    carried_.state = std::move(at.state);
  } else {
    train_batch(m, w, batch, piece_tokens(s_.parallel, batch.packing), at, after);
  }
  if (whole) return;
  halt_ = 1;  // also where an update was given up
  if (items_.streamed()) return;
  const std::lock_guard lock(books_);
  if (alone())
    position_.piece = at.piece, carried_ = std::move(at);
  else if (items_.round() == 1)  // a round is given up as a whole, and repeated
    ++position_.item;
}

// ---- books

bool Trainer::note(double nats, int64_t tokens, double gradient_norm, bool item_done) {
  const std::lock_guard lock(books_);
  position_.of_epoch.add(nats, tokens), position_.of_row.add(nats, tokens);
  own_.losses.add(nats, tokens), own_.items += item_done;
  const int64_t ranks = cluster_.size(), before = position_.item, round = items_.round();
  position_.tokens += tokens * ranks;
  if (item_done) position_.piece = 0, position_.item += std::min(ranks, items_.size() - before);
  position_.updates = round > 1
                          ? before_.updates + (position_.item - before_.item + round - 1) / round
                          : position_.updates + ranks;
  recent_loss_ = position_.of_row.mean();
  watch_.add(nats, tokens);
  if (s_.clip_norm > 0) {
    grad_norm_ = gradient_norm;
    clip_rate_ += 0.01 * ((gradient_norm > s_.clip_norm ? 1 : 0) - clip_rate_);
  }
  progress_->update(static_cast<double>(position_.tokens), [&] { return status(); });

  save_due_ = save_due_ || due(s_.save_every);
  sample_due_ = sample_due_ || due(s_.sample_every);
  const bool ends = app::interrupted() || watch_.hopeless() ||
                    !reason_to_end(s_, position_, run_seconds()).empty();
  if (ends || save_due_ || sample_due_ || app::save_requested()) halt_ = 1;

  // About twenty rows an epoch, each of whole rounds.
  const int64_t every = (std::max<int64_t>(1, items_.size() / 20) + round - 1) / round * round;
  if (item_done && position_.item != items_.size() && position_.item / every > before / every)
    add_metrics(recent_loss_, {});
  return cluster_.several() || (alone() ? halt_ == 0 : !ends);
}

bool Trainer::due(int64_t every) const {
  return every > 0 && position_.updates / every > before_.updates / every;
}

double Trainer::run_seconds() const {
  const std::chrono::duration<double> now = std::chrono::steady_clock::now() - began_;
  return seconds_before_ + now.count();
}

bool Trainer::out_of_time() const {
  return app::interrupted() || (s_.max_time > 0 && run_seconds() >= s_.max_time);
}

void Trainer::add_metrics(double train_loss, std::optional<double> valid_loss) {
  if (!metrics_) return;
  const auto tokens = static_cast<double>(position_.tokens);
  metrics_->add({tokens / static_cast<double>(data_.train.tokens()),
                 static_cast<double>(position_.updates), tokens,
                 seconds_before_ + progress_->seconds(), train_loss, valid_loss, learning_rate(),
                 grad_norm_});
  ++position_.rows;
  position_.of_row = {};
}

// ---- between stretches

std::optional<double> Trainer::held_out_loss() {
  if (!data_.has_valid()) return {};
  const auto pause = progress_->pause();
  const auto averaged = averages();
  const double latest = s_.max_time + std::max(0.1 * s_.max_time, std::min(s_.max_time, 10.0));
  const HeldOut out = evaluate_held_out(
      model_, data_, items_.streamed(),
      [&] { return app::interrupted() || (s_.max_time > 0 && run_seconds() >= latest); }, cluster_);
  agreed_signal_ = std::max(agreed_signal_, out.signal);
  if (!out.known && signal()) stop_here();
  return out.known ? std::optional(out.loss) : std::nullopt;
}

bool Trainer::judge(std::optional<double> held_out) {
  if (held_out) position_.valid_loss = held_out;
  if (!(position_.loss() < position_.best_loss)) return false;
  position_.best_loss = position_.loss();
  position_.best_epoch = position_.epoch;
  position_.best_updates = position_.updates;
  return true;
}

void Trainer::finish_epoch() {
  const std::optional<double> held_out = held_out_loss();
  if (data_.has_valid() && !held_out) return;  // out of time: a resumed run measures it
  if (position_.epoch + 1 == s_.epochs) check_hope(held_out.value_or(position_.of_epoch.mean()));
  position_.train_loss = position_.of_epoch.mean();
  ++position_.epoch, position_.item = 0;
  const bool best = judge(held_out);
  const bool lowered = schedule_.observe(position_.loss());
  add_metrics(position_.train_loss, position_.valid_loss);
  position_.of_epoch = {};
  std::string line = fmt::format("epoch {}/{}  {}", position_.epoch, s_.epochs,
                                 describe_losses(s_, position_, data_));
  if (lowered) line += fmt::format("  lr -> {:.3g}", learning_rate());
  if (items_.round() == 1 && s_.parallel.workers > 1) line += "  " + describe_staleness(stats_);
  progress_->log(line + "  params " + model_fingerprint());
  if (begin_averages(s_, position_, server_.optimizer()))
    progress_->log("from here on the model is the average of its weights");
  save(best);
}

// The end of a run inside an epoch. What is written here is no part of what a resumed run repeats:
// it goes on as if there had been no end.
void Trainer::finish_early() {
  const Position before = position_;
  const std::optional<double> held_out = held_out_loss();
  check_hope(held_out.value_or(position_.of_epoch.mean()));
  position_.train_loss = position_.of_epoch.mean();
  const bool best = held_out && judge(held_out);
  if (!held_out) position_.valid_loss.reset();
  const double epochs = static_cast<double>(position_.epoch) +
                        static_cast<double>(position_.item) / static_cast<double>(items_.size());
  progress_->log(fmt::format("{:.2f} epochs  {}  params {}", epochs,
                             describe_losses(s_, position_, data_), model_fingerprint()));
  Position end = position_;
  position_ = before;
  position_.best_loss = end.best_loss, position_.best_epoch = end.best_epoch;
  position_.best_updates = end.best_updates, position_.valid_loss = end.valid_loss;
  save(best);
  // Without a held-out loss the row is a point of the training curve like any other.
  if (end.valid_loss)
    add_metrics(end.train_loss, end.valid_loss);
  else if (position_.of_row.tokens > 0)
    add_metrics(position_.of_row.mean(), {});
  position_ = end;
}

void Trainer::finish_run() {
  const bool inside = position_.item > 0 || position_.piece > 0;
  if (inside && position_.updates > updates_before_)
    finish_early();
  else if (inside)
    position_.train_loss = position_.of_epoch.mean();  // resumed at a limit: nothing was done
  if (!position_.valid_loss)
    if (const auto held_out = held_out_loss()) judge(held_out);
  progress_->finish(static_cast<double>(position_.tokens), status());
  schedules_.save();
}

void Trainer::stop_here() {
  if (position_.item > 0 || position_.piece > 0) save(false);
  if (!cluster_.first()) throw EndedWithFirst{app::exit_code_of(signal())};
  const std::string kept =
      position_.updates > 0 ? "the model is saved in " + s_.output : "there is nothing to save yet";
  throw app::UserError(app::exit_code_of(signal()),
                       fmt::format("stopped by {} after {} updates; {}", app::signal_name(signal()),
                                   position_.updates, kept),
                       fmt::format("go on with lm train --resume -o {}", s_.output));
}

// ---- divergence

void Trainer::item_diverged(const LanguageModel& model, int worker, int64_t item,
                            const std::string& what) {
  const std::string found = blame(model, items_.batch(item), items_.rng(item), what);
  const std::string last = checkpoints_ ? checkpoints_->last() : "the last checkpoint";
  const std::lock_guard lock(books_);
  throw diverged(position_, culprit(cluster_, s_.parallel.workers, worker, item), found,
                 last.empty() ? "" : fmt::format("{}/{} is good", s_.output, last));
}

void Trainer::round_diverged(const std::string& what) {
  const int64_t round = items_.round();
  const int64_t first = std::max<int64_t>(0, (position_.item - 1) / round * round);
  for (int64_t item = first; item < std::min(first + round, items_.size()); ++item)
    if (!is_finite(model_, items_.batch(item), items_.rng(item)))
      item_diverged(model_, static_cast<int>(item - first), item, what);
  item_diverged(model_, -1, first, what);
}

void Trainer::check_hope(double loss) const {
  const std::string what = watch_.why_hopeless(loss);
  if (what.empty()) return;
  const std::string best = fmt::format("{}/best, after {} updates with loss {:.4g}, is kept",
                                       s_.output, position_.best_updates, position_.best_loss);
  throw diverged(position_, "", what, position_.best_updates > 0 ? best : "");
}

void Trainer::save(bool best) {
  if (!checkpoints_) return;
  const auto pause = progress_->pause();
  metrics_->sync();
  const double before = std::exchange(position_.seconds, seconds_before_ + progress_->seconds());
  NamedTensors state = saved_state(training(), hex(data_.fingerprint()), items_.streamed());
  position_.seconds = before;
  checkpoints_->write(std::move(state), position_.updates, best);
}

Training Trainer::training() {
  return {model_, server_.optimizer(), schedule_, position_, carried_};
}

app::Status Trainer::status() const {
  return training_status(
      status_numbers(s_, data_, position_, recent_loss_, learning_rate(), grad_norm_, clip_rate_),
      position_);
}

}  // namespace tapestry::lm
