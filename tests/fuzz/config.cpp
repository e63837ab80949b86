// config.json of a run: what is accepted is written as it was read.

#include <tapestry/examples/lm/run.h>

#include "fuzz.h"

using namespace tapestry::lm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::accepts([&] {
    const std::string text = config_text(parse_config(fuzz::text_of(data, size), "config.json"));
    fuzz::check(config_text(parse_config(text, "config.json")) == text);
  });
  return 0;
}
