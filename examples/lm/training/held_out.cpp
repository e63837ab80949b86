#include <tapestry/examples/common/interrupt.h>
#include <tapestry/examples/lm/model/evaluate.h>
#include <tapestry/examples/lm/training/held_out.h>
#include <tapestry/examples/lm/training/stop_inside.h>

namespace tapestry::lm {

HeldOut evaluate_held_out(const LanguageModel& model, const Data& data, bool streamed,
                          const std::function<bool()>& stop, const Cluster& cluster) {
  HeldOut out;
  if (cluster.first()) {
    const StopInside guard(stop);
    try {
      out.loss =
          (streamed ? evaluate_stream(model, data.valid) : evaluate(model, data.valid)).loss();
      out.known = true;
    } catch (const Interrupted&) {
      out.signal = app::interrupted();
    }
  }
  return cluster.of_first(out);
}

}  // namespace tapestry::lm
