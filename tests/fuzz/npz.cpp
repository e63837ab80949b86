// npz files of other programs, and the models that they may hold.

#include <tapestry/examples/lm/model/exchange.h>
#include <tapestry/examples/lm/model/npz.h>

#include "fuzz.h"

using namespace tapestry::lm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::accepts([&] { from_other(parse_npz(fuzz::text_of(data, size), "model.npz")); });
  return 0;
}
