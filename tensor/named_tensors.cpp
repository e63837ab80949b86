#include <tapestry/tensor/named_tensors.h>

namespace tapestry {

void NamedTensors::put(const std::string& key, const Rng& rng) {
  const Rng::State& s = rng.state();
  put(key + ".seed", s.seed);
  put(key + ".stream", s.stream);
  put(key + ".position", s.position);
}

Rng NamedTensors::rng(const std::string& key) const {
  return Rng(Rng::State{number<uint64_t>(key + ".seed"), number<uint64_t>(key + ".stream"),
                        number<uint64_t>(key + ".position")});
}

const std::string& NamedTensors::text(const std::string& key) const {
  const auto found = metadata.find(key);
  require<FormatError>(found != metadata.end(), "load: ", key, " is missing from the file");
  return found->second;
}

}  // namespace tapestry
