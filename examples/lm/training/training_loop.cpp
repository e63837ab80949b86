// Trainer: the loop, what a worker does with an item, who is to blame where it diverges, the books,
// and what a checkpoint holds. Compiled here, once for each cell.

#include <tapestry/examples/lm/training/trainer.h>

namespace tapestry::lm {

template <class Cell>
TrainResult Trainer<Cell>::run() {
  if (place_.updates == 0) check_first_loss();
  TrainResult result;
  while (place_.epoch < s_.epochs && result.ended.empty()) {
    train_on();
    if (place_.item == items_) {
      finish_epoch();
    } else if (save_due_ || app::save_requested().exchange(false)) {
      save(false);
    }
    if (app::interrupted()) stop_here();
    if (sample_due_) show_samples();
    result.ended = reason_to_end();
  }
  if (place_.item > 0) finish_early();
  if (data_.valid.sentences() > 0 && !place_.valid_loss) judge();  // resumed where it had ended
  progress_->finish(static_cast<double>(place_.tokens), status());
  schedules_.save();
  result.place = place_;
  result.place.seconds = seconds_before_ + progress_->seconds();
  result.whole_epochs = place_.item == 0;
  result.seconds = progress_->seconds();
  result.tokens = place_.tokens - tokens_before_;
  result.fingerprint = model_fingerprint();
  result.server = stats_;
  return result;
}

template <class Cell>
double Trainer<Cell>::total_tokens() const {
  const auto all = static_cast<double>(data_.train.tokens() * s_.epochs);
  const double per_update = static_cast<double>(data_.train.tokens()) *
                            static_cast<double>(round_) / static_cast<double>(items_);
  double total = all;
  if (s_.max_tokens > 0) total = std::min(total, static_cast<double>(s_.max_tokens));
  if (s_.max_steps > 0) total = std::min(total, per_update * static_cast<double>(s_.max_steps));
  return total;
}

template <class Cell>
app::ProgressSettings Trainer<Cell>::progress_settings() const {
  app::ProgressSettings out = s_.common.progress_settings("tok");
  if (s_.max_time > 0) out.max_seconds = std::max(1.0, s_.max_time - place_.seconds);
  return out;
}

template <class Cell>
void Trainer<Cell>::check_first_loss() {
  std::vector<int64_t> first;
  for (int64_t i = 0; i < std::min<int64_t>(32, data_.train.sentences()); ++i) first.push_back(i);
  const Batch batch = make_batch(data_.train, first);
  const double loss = mean(model_.token_losses(batch)).value().item();
  const double uniform = std::log(static_cast<double>(s_.model.vocabulary));
  progress_->log(fmt::format("first loss {:.3f}, ln V {:.3f}", loss, uniform));
  if (!(std::abs(loss - uniform) < 0.1 * uniform))
    progress_->log("warning: the first loss is far from ln V; is the initialisation too wide?");
}

template <class Cell>
ServerOptions Trainer<Cell>::options() {
  ServerOptions out = server_options(s_, model_);
  out.lr = [this](int64_t updates) { return schedule_.lr(updates); };
  out.stop = &halt_;
  return out;
}

template <class Cell>
void Trainer<Cell>::train_on() {
  if (order_epoch_ != place_.epoch) begin_epoch();
  halt_ = 0, save_due_ = sample_due_ = false;
  segment_updates_ = place_.updates, segment_item_ = place_.item;
  set_kernel_threads(static_cast<int>(s_.parallel.threads));
  const auto body = [&, first = place_.item](LanguageModel<Cell>& m, Worker& w, int64_t item) {
    train_item(m, w, first + item);
  };
  const int64_t left = items_ - place_.item;
  const auto run = [&] {
    if (s_.parallel.simulate) return server_.simulate(left, body);
    if (!s_.parallel.record.empty()) return server_.record(left, body, schedules_.next());
    if (!s_.parallel.replay.empty()) return server_.replay(left, body, schedules_.next());
    return server_.run(left, body);
  };
  try {
    stats_ += run();
  } catch (const NonFiniteError& e) {
    blame_round(e.what());
  }
}

template <class Cell>
void Trainer<Cell>::begin_epoch() {
  order_epoch_ = place_.epoch;
  if (stream_ && place_.item == 0) state_ = model_.rnn.zero(stream_->columns());
  if (!stream_)
    order_ =
        epoch_order(data_.train.sentences(), s_.shuffle, s_.seed, place_.epoch, s_.input.stream);
}

template <class Cell>
Batch Trainer<Cell>::batch_of(int64_t item) const {
  if (stream_) return stream_->batch(item);
  const size_t first = static_cast<size_t>(item * s_.batch);
  const size_t count = std::min(static_cast<size_t>(s_.batch), order_.size() - first);
  return make_batch(data_.train, std::span(order_).subspan(first, count));
}

template <class Cell>
void Trainer<Cell>::train_item(LanguageModel<Cell>& m, Worker& w, int64_t item) {
  const Batch batch = batch_of(item);
  Rng dropout = dropout_of(item);
  Rng* rng = s_.dropout > 0 ? &dropout : nullptr;
  BatchLoss loss;
  try {
    if (stream_) {
      const int64_t columns = batch.sentences();
      const auto weight = static_cast<double>(columns);
      const auto tokens = static_cast<double>(batch.tokens());
      const auto window = [&] { return m.loss(batch, columns, &state_, rng); };
      loss = {weight * w.update(window, tokens, weight), 1};
    } else {
      loss = train_batch(m, w, batch, s_.parallel.max_item_tokens, rng);
    }
  } catch (const NonFiniteError& e) {
    blame(m, w.index(), item, e.what());
  }
  note(batch.tokens(), loss.total, w.gradient_norm(), loss.updates);
}

template <class Cell>
void Trainer<Cell>::blame(const LanguageModel<Cell>& m, int worker, int64_t item,
                          std::string what) {
  const Batch batch = batch_of(item);
  std::string step;
  try {
    step = first_bad_step(m.token_losses(batch).value(), batch.packing);
    Rng dropout = dropout_of(item);
    const CheckFinite check;
    Tape tape;
    tape.backward(m.loss(batch, s_.dropout > 0 ? &dropout : nullptr));
  } catch (const NonFiniteError& e) {
    what = e.what();
  }
  if (!step.empty()) what += ", first at " + step;
  throw diverged(place_, worker, what, checkpoints_.last(), s_.output);
}

template <class Cell>
void Trainer<Cell>::blame_round(const std::string& what) {
  const int64_t first = std::max<int64_t>(0, (place_.item - 1) / round_ * round_);
  for (int64_t item = first; item < std::min(first + round_, items_); ++item) try {
      Rng dropout = dropout_of(item);
      const CheckFinite check;
      Tape tape;
      tape.backward(model_.loss(batch_of(item), s_.dropout > 0 ? &dropout : nullptr));
    } catch (const NonFiniteError&) {
      blame(model_, static_cast<int>(item - first), item, what);
    }
  throw diverged(place_, -1, what, checkpoints_.last(), s_.output);
}

// ---- books, and what is done between stretches of updates

template <class Cell>
void Trainer<Cell>::note(int64_t tokens, double total, double gradient_norm, int64_t updates) {
  const std::lock_guard lock(books_);
  place_.of_epoch.add(total, tokens), place_.of_row.add(total, tokens);
  place_.tokens += tokens;
  ++place_.item;
  place_.updates = round_ > 1
                       ? segment_updates_ + (place_.item - segment_item_ + round_ - 1) / round_
                       : place_.updates + updates;
  recent_loss_ = place_.of_row.mean();
  if (s_.clip_norm > 0) {
    grad_norm_ = gradient_norm;
    clip_rate_ += 0.01 * ((gradient_norm > s_.clip_norm ? 1 : 0) - clip_rate_);
  }
  progress_->update(static_cast<double>(place_.tokens), [&] { return status(); });

  save_due_ = save_due_ || due(s_.save_every);
  sample_due_ = sample_due_ || due(s_.sample_every);
  if (save_due_ || sample_due_ || app::interrupted() || app::save_requested() ||
      !reason_to_end().empty())
    halt_ = 1;

  // About twenty rows an epoch, each of whole rounds.
  const int64_t every = (std::max<int64_t>(1, items_ / 20) + round_ - 1) / round_ * round_;
  if (place_.item == items_ || place_.item % every != 0) return;
  metrics_row(recent_loss_, {});
}

template <class Cell>
double Trainer<Cell>::run_seconds() const {
  const std::chrono::duration<double> now = std::chrono::steady_clock::now() - began_;
  return seconds_before_ + now.count();
}

template <class Cell>
std::string Trainer<Cell>::reason_to_end() const {
  if (s_.max_steps > 0 && place_.updates >= s_.max_steps) return "--max-steps";
  if (s_.max_tokens > 0 && place_.tokens >= s_.max_tokens) return "--max-tokens";
  if (s_.max_time > 0 && run_seconds() >= s_.max_time) return "--max-time";
  if (s_.patience > 0 && place_.item == 0 && place_.epoch - place_.best_epoch >= s_.patience)
    return fmt::format("--patience: no better since epoch {}", place_.best_epoch);
  return "";
}

template <class Cell>
void Trainer<Cell>::metrics_row(double train_loss, std::optional<double> valid_loss) {
  const auto tokens = static_cast<double>(place_.tokens);
  metrics_.row({tokens / static_cast<double>(data_.train.tokens()),
                static_cast<double>(place_.updates), tokens, seconds_before_ + progress_->seconds(),
                train_loss, valid_loss, learning_rate(), grad_norm_});
  ++place_.rows;
  place_.of_row = {};
}

template <class Cell>
bool Trainer<Cell>::judge() {
  if (data_.valid.sentences() > 0) {
    const auto pause = progress_->pause();
    place_.valid_loss =
        (stream_ ? evaluate_stream(model_, data_.valid) : evaluate(model_, data_.valid)).loss();
  }
  if (!(place_.loss() < place_.best_loss)) return false;
  place_.best_loss = place_.loss();
  place_.best_epoch = place_.epoch;
  place_.best_updates = place_.updates;
  return true;
}

template <class Cell>
void Trainer<Cell>::finish_epoch() {
  place_.train_loss = place_.of_epoch.mean();
  ++place_.epoch, place_.item = 0;
  const bool best = judge();
  const bool lowered = schedule_.observe(place_.loss());
  metrics_row(place_.train_loss, place_.valid_loss);
  place_.of_epoch = {};
  std::string line = fmt::format("epoch {}/{}  {}", place_.epoch, s_.epochs, losses());
  if (lowered) line += fmt::format("  lr -> {:.3g}", learning_rate());
  if (round_ == 1 && s_.parallel.workers > 1)
    line += fmt::format("  stale p50 {} p99 {}", stats_.staleness_quantile(0.5),
                        stats_.staleness_quantile(0.99));
  progress_->log(line + "  params " + model_fingerprint());
  save(best);
}

template <class Cell>
void Trainer<Cell>::finish_early() {
  const Place before = place_;
  place_.train_loss = place_.of_epoch.mean();
  const bool best = data_.valid.sentences() > 0 && judge();
  progress_->log(
      fmt::format("{:.2f} epochs  {}  params {}", epochs_done(), losses(), model_fingerprint()));
  Place end = place_;
  place_ = before;
  place_.best_loss = end.best_loss, place_.best_epoch = end.best_epoch;
  place_.best_updates = end.best_updates, place_.valid_loss = end.valid_loss;
  save(best);
  metrics_row(end.train_loss, end.valid_loss);
  place_ = end;
}

template <class Cell>
double Trainer<Cell>::epochs_done() const {
  return static_cast<double>(place_.epoch) +
         static_cast<double>(place_.item) / static_cast<double>(items_);
}

template <class Cell>
void Trainer<Cell>::stop_here() {
  if (place_.item > 0) save(false);
  const int signal = app::interrupted();
  throw app::UserError(
      signal == SIGINT ? app::ExitCode::interrupted : app::ExitCode::terminated,
      fmt::format("stopped by {} after {} updates; the model is saved in {}",
                  signal == SIGINT ? "SIGINT" : "SIGTERM", place_.updates, s_.output),
      fmt::format("go on with lm train --resume -o {}", s_.output));
}

template <class Cell>
void Trainer<Cell>::show_samples() {
  const Reader read = reader(model_);
  const Tokenizer tokenizer(s_.input.text);
  for (uint64_t i = 0; i < 2; ++i) {
    Rng rng(s_.seed, (uint64_t{1} << 50) + i);
    std::vector<std::string> words;
    for (const int32_t id : sample_sentence(read, {}, {.length = 30}, rng))
      words.push_back(data_.vocabulary.token(id));
    progress_->log("sample  " + tokenizer.join(words));
  }
}

template <class Cell>
std::string Trainer<Cell>::losses() const {
  std::string out = in_words("loss", place_.train_loss, data_.train_floor);
  if (place_.valid_loss) out += "  " + in_words("held out", *place_.valid_loss, data_.valid_floor);
  return out;
}

template <class Cell>
std::string Trainer<Cell>::in_words(const char* what, double loss, std::optional<double> floor) {
  const std::string out = fmt::format("{} {:.4f}", what, loss);
  return out + (floor ? fmt::format(", {:.3f} above the floor {:.3f}", loss - *floor, *floor)
                      : fmt::format("  ppl {:.1f}", std::exp(loss)));
}

template <class Cell>
void Trainer<Cell>::save(bool best) {
  const auto pause = progress_->pause();
  metrics_.sync();
  checkpoints_.write(state(), place_.updates, best);
}

template <class Cell>
NamedTensors Trainer<Cell>::state() const {
  NamedTensors out;
  to_tensors(model_, out, "model.");
  optimizer().save(out);
  schedule_.save(out);
  Place place = place_;
  place.seconds = seconds_before_ + progress_->seconds();
  place.save(out);
  out.metadata["data"] = hex(data_.fingerprint());
  if (stream_ && place.item > 0) {
    size_t i = 0;
    for (const Var& v : vars(state_))
      out.tensors[fmt::format("stream.{}", i++)] = v.value().clone();
  }
  return out;
}

template <class Cell>
void Trainer<Cell>::load(const NamedTensors& in) {
  require<FormatError>(in.text("data") == hex(data_.fingerprint()), s_.output,
                       ": the text or the vocabulary is not that of the run to resume");
  from_tensors(model_, in, "model.");
  optimizer().load(in);
  schedule_.load(in);
  place_.load(in);
  checkpoints_.restore_best(place_.best_updates);
  if (!stream_ || place_.item == 0) return;
  state_ = model_.rnn.zero(stream_->columns());
  size_t i = 0;
  state_ = map_state(state_, [&](const Var&) {
    const auto found = in.tensors.find(fmt::format("stream.{}", i++));
    require<FormatError>(found != in.tensors.end(), "load: the state of the stream is missing");
    return Var(found->second);
  });
}

template <class Cell>
std::string Trainer<Cell>::model_fingerprint() const {
  NamedTensors out;
  to_tensors(model_, out, "model.");
  return hex(fingerprint(out));
}

template <class Cell>
app::Status Trainer<Cell>::status() const {
  app::Status out;
  out.prefix = fmt::format("epoch {}/{}", std::min(place_.epoch + 1, s_.epochs), s_.epochs);
  out.fraction =
      static_cast<double>(place_.of_epoch.tokens) / static_cast<double>(data_.train.tokens());
  if (place_.epoch == s_.epochs) out.fraction = 1;
  out.position = fmt::format("step {}", place_.updates);
  const std::string loss = fmt::format("loss {:.3f}", recent_loss_);
  if (data_.train_floor)
    out.fields = {fmt::format("{:.3f} above the floor {:.3f}", recent_loss_ - *data_.train_floor,
                              *data_.train_floor),
                  loss};
  else
    out.fields = {loss, fmt::format("ppl {:.1f}", std::exp(recent_loss_))};
  out.fields.push_back(fmt::format("lr {:.3g}", learning_rate()));
  if (grad_norm_)
    out.fields.push_back(fmt::format("|g| {:.2f} (clip {:.0f}%)", *grad_norm_, 100 * clip_rate_));
  return out;
}

template class Trainer<RNNCell>;
template class Trainer<LSTMCell>;
template class Trainer<GRUCell>;

}  // namespace tapestry::lm
