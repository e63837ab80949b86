#include <tapestry/examples/lm/trainer.h>

#include <filesystem>

namespace tapestry::lm {

UpdateRule make_rule(const TrainSettings& s) {
  if (s.optimizer == "adam") return Adam{.lr = s.lr};
  if (s.optimizer == "adamw") {
    AdamW rule{.lr = s.lr};
    rule.weight_decay = s.weight_decay;
    return rule;
  }
  if (s.optimizer == "rmsprop") return RMSProp{.lr = s.lr};
  if (s.optimizer == "adagrad") return Adagrad{.lr = s.lr};
  return SGD{.lr = s.lr, .momentum = s.momentum, .weight_decay = s.weight_decay};
}

Schedule make_schedule(const TrainSettings& s, int64_t updates_per_epoch) {
  const int64_t total = updates_per_epoch * s.epochs;
  Schedule schedule = s.schedule == "plateau" ? Schedule::plateau(s.lr)
                      : s.schedule == "step"  ? Schedule::step(s.lr, updates_per_epoch, 0.5)
                      : s.schedule == "cosine"
                          ? Schedule::cosine(s.lr, std::max<int64_t>(1, total - s.warmup))
                          : Schedule::constant(s.lr);
  return s.warmup > 0 ? schedule.warm_up(s.warmup) : schedule;
}

RunWriter::RunWriter(const app::RunDirectory& directory)
    : directory_(directory),
      metrics_(directory.path(), {"epoch", "step", "tokens", "seconds", "train_loss", "valid_loss",
                                  "lr", "grad_norm"}) {}

void RunWriter::checkpoint(const NamedTensors& state, int64_t updates, bool best) {
  const std::string name = fmt::format("ckpt-{:06}.safetensors", updates);
  write_safetensors((directory_ / name).string(), state);
  link("last", name);
  last_ = name;
  if (best) {
    link("best", name);
    best_ = name;
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    const std::string found = entry.path().filename().string();
    if (found.starts_with("ckpt-") && found != last_ && found != best_)
      std::filesystem::remove(entry.path());
  }
}

/// Replaces a symbolic link in one step.
void RunWriter::link(const std::string& name, const std::string& target) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path beside = directory_ / (name + ".new");
  fs::remove(beside, error);
  fs::create_symlink(target, beside, error);
  if (!error) fs::rename(beside, directory_ / name, error);
  if (error)
    throw app::UserError(app::ExitCode::cannot_create,
                         (directory_ / name).string() + ": " + error.message());
}

}  // namespace tapestry::lm
