#include <fmt/format.h>
#include <tapestry/examples/lm/training/averages.h>
#include <tapestry/examples/lm/training/fingerprint.h>
#include <tapestry/examples/lm/training/saved_state.h>
#include <tapestry/nn/checkpoint.h>

namespace tapestry::lm {
namespace {

std::string part_name(size_t part) { return fmt::format("stream.{}", part); }

bool carries(const Training& t, bool streamed) {
  return streamed ? t.position.item > 0 : t.position.piece > 0;
}

/// The state that was saved, of the parts that the model's state has.
void load_carried(const NamedTensors& in, const LanguageModel& model, Carried& out) {
  out.state = model.rnn.zero(1);
  size_t i = 0;
  for (Var& part : out.state.parts) {
    const auto found = in.tensors.find(part_name(i++));
    require<FormatError>(found != in.tensors.end() && found->second.rank() == 2 &&
                             found->second.size(1) == part.size(1),
                         "load: the state that training carries on is missing");
    part = Var(found->second);
  }
  if (out.piece > 0) out.rng = in.rng("stream.rng");
}

}  // namespace

uint64_t fingerprint(const LanguageModel& model) {
  NamedTensors out;
  share_tensors(model, out, "model.");
  return fingerprint(out);
}

NamedTensors saved_state(const Training& t, const std::string& data, bool streamed) {
  NamedTensors out;
  share_tensors(t.model, out, t.position.averaged > 0 ? "training." : "model.");
  if (const auto averaged = averages_of(t.position, t.optimizer))
    to_tensors(t.model, out, "model.");
  t.optimizer.share(out);
  t.schedule.save(out);
  t.position.save(out);
  out.metadata["data"] = data;
  if (!carries(t, streamed)) return out;
  size_t i = 0;
  for (const Var& v : t.carried.state.parts) out.tensors[part_name(i++)] = v.value().clone();
  if (t.position.piece > 0) out.put("stream.rng", t.carried.rng);
  return out;
}

void restore(const Training& t, const NamedTensors& in, const std::string& data,
             const std::string& where, bool streamed) {
  if (!in.metadata.contains("data")) return from_tensors(t.model, in, "model.");
  require<FormatError>(in.text("data") == data, where,
                       ": the text or the vocabulary is not that of the run to resume");
  t.position.load(in);
  from_tensors(t.model, in, t.position.averaged > 0 ? "training." : "model.");
  t.optimizer.load(in);
  t.schedule.load(in);
  t.carried.piece = t.position.piece;
  if (carries(t, streamed)) load_carried(in, t.model, t.carried);
}

}  // namespace tapestry::lm
