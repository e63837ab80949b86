// Checkpoints (safetensors): what is accepted is written as it was read.

#include <tapestry/tensor/safetensors.h>

#include "fuzz.h"

using namespace tapestry;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::File file(fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const NamedTensors read = read_safetensors(file.path());
    const std::string copy = "/dev/shm/tapestry-fuzz-" + std::to_string(getpid());
    write_safetensors(copy, read);
    const NamedTensors again = read_safetensors(copy);
    unlink(copy.c_str());
    fuzz::check(again.metadata == read.metadata && again.tensors.size() == read.tensors.size());
    for (const auto& [name, tensor] : read.tensors)
      fuzz::check(again.tensors.at(name).shape() == tensor.shape() &&
                  again.tensors.at(name).dtype() == tensor.dtype());
  });
  return 0;
}
