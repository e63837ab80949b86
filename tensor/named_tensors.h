#pragma once
// Named tensors with metadata: what a file of weights or a checkpoint holds.

#include <charconv>
#include <map>
#include <string>
#include <system_error>

#include <tapestry/tensor/random.h>
#include <tapestry/tensor/tensor.h>

namespace tapestry {

/// Numbers and generators are kept exactly, as text in the metadata.
struct NamedTensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  template <class N>
  void put(const std::string& key, N number);
  void put(const std::string& key, const Rng& rng);

  // Each throws FormatError when the metadata has no such key, or something else there.
  const std::string& text(const std::string& key) const;
  template <class N>
  N number(const std::string& key) const;
  Rng rng(const std::string& key) const;
};

// ------------------------------------------------------------------------------------------------

template <class N>
void NamedTensors::put(const std::string& key, N number) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  metadata[key].assign(text, end);
}

template <class N>
N NamedTensors::number(const std::string& key) const {
  const std::string& from = text(key);
  N out{};
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), out);
  require<FormatError>(error == std::errc() && end == from.data() + from.size(), "load: ", key,
                       " is \"", from, "\" in the file, expected a number");
  return out;
}

}  // namespace tapestry
