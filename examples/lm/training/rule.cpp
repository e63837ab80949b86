#include <tapestry/examples/lm/training/rule.h>

#include <algorithm>

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

}  // namespace tapestry::lm
