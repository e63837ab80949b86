#include <tapestry/examples/lm/training/rule.h>

#include <tapestry/optim/average.h>

#include <algorithm>

namespace tapestry::lm {
namespace {

UpdateRule rule_named(const std::string& name, double lr, const TrainSettings& s) {
  const auto made = [&](auto rule) -> UpdateRule {
    if (s.average_after > 0) return Averaged<decltype(rule)>{rule};
    return rule;
  };
  if (name == "adam") return made(Adam{.lr = lr});
  if (name == "adamw") {
    AdamW rule{.lr = lr};
    rule.weight_decay = s.weight_decay;
    return made(rule);
  }
  if (name == "rmsprop") return made(RMSProp{.lr = lr});
  if (name == "adagrad") return made(Adagrad{.lr = lr});
  return made(SGD{.lr = lr, .momentum = s.momentum, .weight_decay = s.weight_decay});
}

}  // namespace

UpdateRule make_rule(const TrainSettings& s) { return rule_named(s.optimizer, s.lr, s); }

UpdateRule make_row_rule(const TrainSettings& s) {
  return s.row_optimizer.empty() ? make_rule(s) : rule_named(s.row_optimizer, s.row_lr, s);
}

Optimizer::Groups make_groups(const TrainSettings& s, const LanguageModel& model) {
  if (s.row_optimizer.empty()) return {};
  return {{.parameters = model.rows(), .rule = make_row_rule(s)}};
}

Schedule make_schedule(const TrainSettings& s, int64_t updates_per_epoch) {
  const int64_t total = s.schedule_steps > 0 ? s.schedule_steps : updates_per_epoch * s.epochs;
  const int64_t falling = std::max<int64_t>(1, total - s.warmup);
  const Schedule schedule = s.schedule == "plateau"  ? Schedule::plateau(s.lr)
                            : s.schedule == "step"   ? Schedule::step(s.lr, updates_per_epoch, 0.5)
                            : s.schedule == "cosine" ? Schedule::cosine(s.lr, falling)
                            : s.schedule == "linear" ? Schedule::linear(s.lr, falling)
                                                     : Schedule::constant(s.lr);
  return s.warmup > 0 ? schedule.warm_up(s.warmup) : schedule;
}

}  // namespace tapestry::lm
