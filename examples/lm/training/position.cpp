#include <tapestry/examples/lm/training/position.h>

namespace tapestry::lm {
namespace {

template <class P, class F>
void for_each_number(P& p, F&& f) {
  f("epoch", p.epoch);
  f("item", p.item);
  f("updates", p.updates);
  f("tokens", p.tokens);
  f("epoch_units", p.of_epoch.units);
  f("epoch_tokens", p.of_epoch.tokens);
  f("row_units", p.of_row.units);
  f("row_tokens", p.of_row.tokens);
  f("rows", p.rows);
  f("seconds", p.seconds);
  f("train_loss", p.train_loss);
  f("best_loss", p.best_loss);
  f("best_epoch", p.best_epoch);
  f("best_updates", p.best_updates);
}

}  // namespace

void Position::save(NamedTensors& out) const {
  for_each_number(*this, [&](const char* name, auto value) { out.put(name, value); });
  if (valid_loss) out.put("valid_loss", *valid_loss);
  if (piece > 0) out.put("piece", piece);
  if (averaged > 0) out.put("averaged", averaged);
  out.put("loss", loss());
}

void Position::load(const NamedTensors& in) {
  for_each_number(*this, [&](const char* name, auto& value) {
    value = in.number<std::remove_reference_t<decltype(value)>>(name);
  });
  piece = in.metadata.contains("piece") ? in.number<int64_t>("piece") : 0;
  averaged = in.metadata.contains("averaged") ? in.number<int64_t>("averaged") : 0;
  valid_loss.reset();
  if (in.metadata.contains("valid_loss")) valid_loss = in.number<double>("valid_loss");
}

}  // namespace tapestry::lm
