#include <tapestry/autograd/observer.h>

#include <tapestry/autograd/tape.h>

namespace tapestry {

void Observer::notify(const char* name, const Var& out) {
  size_t saved = 0;
  if (recording.tape && out.origin().serial)
    saved = recording.tape->graph().bytes_saved(out.origin().node);
  recording.observer->forward(name, out.value(), saved);
}

}  // namespace tapestry
